#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod certificate;
pub mod cli;
mod cpio;
mod describe;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
pub mod file_list;
mod files;
mod guest_path;
pub mod header;
mod image;
mod measure;
mod metadata;
mod planted;
mod ramdisk;
mod release;
mod section;
mod sign;
pub mod signature;
mod verify;

pub use crate::certificate::{CertificateError, SigningCertificate};
pub use crate::describe::{CertificateDescription, Description, SectionDescription};
pub use crate::error::{ImageError, ReadError};
pub use crate::file_list::{FileList, FileListError};
pub use crate::files::FileError;
pub use crate::guest_path::{GuestPath, GuestPathError};
pub use crate::header::Architecture;
pub use crate::image::EifImage;
pub use crate::measure::Measurements;
pub use crate::metadata::{BuildMetadata, Metadata};
pub use crate::ramdisk::{Entry, Ramdisk, RamdiskError};
pub use crate::release::{BuildRecord, BuildRecordError, ReleaseRefusal, SIMULATION_MARKERS, check_release};
pub use crate::section::{MAX_IMAGE_LEN, SectionKind};
pub use crate::sign::{SignError, Signer};
pub use crate::signature::ImageSignature;
pub use crate::verify::{Rejection, VerifiedImage};
