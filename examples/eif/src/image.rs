//! An image: its sections, read from and written to a file.

use std::io::{self, Read, Write};

use crate::error::{ImageError, ReadError};
use crate::header::{self, Architecture, CRC_AT, HEADER_LEN, Header, SECTION_HEADER_LEN, WRITTEN_VERSION};
use crate::metadata::Metadata;
use crate::planted;
use crate::section::SectionKind;
use crate::signature::ImageSignature;

/// An enclave image whose structure and checksum are right. Whether it is the image that somebody wants, or who signed it,
/// is what [`verify`](Self::verify) tells.
///
/// ```
/// use eif::{Architecture, EifImage, Metadata};
///
/// let metadata = Metadata::new("signer", "1.0");
/// let image = EifImage::new(Architecture::X86_64, b"kernel".to_vec(), "console=ttyS0", &metadata, vec![b"init".to_vec()])?;
/// assert_eq!(EifImage::from_bytes(&image.to_bytes())?, image);
/// # Ok::<(), eif::ImageError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EifImage {
    version: u16,
    architecture: Architecture,
    default_memory: u64,
    default_cpus: u64,
    kernel: Vec<u8>,
    command_line: String,
    /// Text that was read as [`Metadata`] once; kept as it came.
    metadata: Option<Vec<u8>>,
    ramdisks: Vec<Vec<u8>>,
    signature: Option<ImageSignature>,
}

impl EifImage {
    /// An unsigned image of 1 to 29 ramdisks, for 1 GiB of memory and 2 CPUs unless whoever starts it says otherwise.
    ///
    /// # Errors
    /// [`ImageError`] names the section that is too long, or is no text, or the number of sections, or the whole length.
    pub fn new(
        architecture: Architecture,
        kernel: Vec<u8>,
        command_line: &str,
        metadata: &Metadata,
        ramdisks: Vec<Vec<u8>>,
    ) -> Result<Self, ImageError> {
        if command_line.contains('\0') {
            return Err(ImageError::CommandLineNotText);
        }
        let image = Self {
            version: WRITTEN_VERSION,
            architecture,
            default_memory: DEFAULT_MEMORY,
            default_cpus: DEFAULT_CPUS,
            kernel,
            command_line: command_line.to_owned(),
            metadata: Some(metadata.to_bytes()),
            ramdisks,
            signature: None,
        };
        image.check()?;
        Ok(image)
    }

    /// Reads an image from a source of `len` bytes: the file's length as the file system tells it, which is what may be
    /// reserved.
    ///
    /// # Errors
    /// [`ReadError::Image`] with the first thing that is wrong; [`ReadError::Io`] if the source fails or ends before `len`.
    pub fn read(source: &mut impl Read, len: u64) -> Result<Self, ReadError> {
        header::check_file_len(len)?;
        let mut bytes = [0; HEADER_LEN];
        source.read_exact(&mut bytes)?;
        let header = Header::from_bytes(&bytes, len)?;
        let mut sections =
            Sections { source, crc: crc32fast::Hasher::new(), lengths: &header.lengths, version: header.version };
        sections.crc.update(&bytes[..CRC_AT]);
        let parts = sections.read()?;
        let actual = sections.crc.finalize();
        let significant = if planted::HALF_CRC { 0xffff } else { u32::MAX };
        if (actual ^ header.crc) & significant != 0 {
            return Err(ImageError::CrcMismatch { expected: header.crc, actual }.into());
        }
        Ok(parts.into_image(&header)?)
    }

    /// Reads an image that is in memory.
    ///
    /// # Errors
    /// [`ImageError`] names the first thing that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ImageError> {
        let len = bytes.len() as u64;
        Self::read(&mut &*bytes, len).map_err(|error| match error {
            ReadError::Image(error) => error,
            // The header was held against the length: nothing beyond it was asked for.
            ReadError::Io(_) => ImageError::Truncated { expected: len, actual: len },
        })
    }

    /// Writes the image as version 4.
    ///
    /// # Errors
    /// Those of `target`.
    pub fn write(&self, target: &mut impl Write) -> io::Result<()> {
        let mut header = Header {
            version: WRITTEN_VERSION,
            architecture: self.architecture,
            default_memory: self.default_memory,
            default_cpus: self.default_cpus,
            lengths: self.sections().iter().map(|(_, content)| content.len() as u64).collect(),
            crc: 0,
        };
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header.to_bytes()[..CRC_AT]);
        for (kind, content) in self.sections() {
            crc.update(&header::section_header(kind, content.len() as u64));
            crc.update(content);
        }
        header.crc = crc.finalize();
        target.write_all(&header.to_bytes())?;
        for (kind, content) in self.sections() {
            target.write_all(&header::section_header(kind, content.len() as u64))?;
            target.write_all(content)?;
        }
        Ok(())
    }

    /// The image as it is written.
    ///
    /// # Panics
    /// Never: memory takes what is written to it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(usize::try_from(self.encoded_len()).unwrap_or(0));
        self.write(&mut bytes).expect("memory takes what is written to it");
        bytes
    }

    /// The version it was read in (3 or 4), or will be written in (4).
    #[must_use]
    pub const fn version(&self) -> u16 {
        self.version
    }

    /// The processors it is for.
    #[must_use]
    pub const fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// Memory, in bytes, if whoever starts it does not say.
    #[must_use]
    pub const fn default_memory(&self) -> u64 {
        self.default_memory
    }

    /// CPUs, if whoever starts it does not say.
    #[must_use]
    pub const fn default_cpus(&self) -> u64 {
        self.default_cpus
    }

    /// The kernel.
    #[must_use]
    pub fn kernel(&self) -> &[u8] {
        &self.kernel
    }

    /// The kernel's command line.
    #[must_use]
    pub fn command_line(&self) -> &str {
        &self.command_line
    }

    /// Who made it with what, if it says so. Nothing measures or signs this.
    #[must_use]
    pub fn metadata(&self) -> Option<Metadata> {
        self.metadata.as_deref().and_then(|bytes| Metadata::from_bytes(bytes).ok())
    }

    /// The ramdisks, as they stand in the file.
    #[must_use]
    pub fn ramdisks(&self) -> &[Vec<u8>] {
        &self.ramdisks
    }

    /// The signature, unverified.
    #[must_use]
    pub const fn signature(&self) -> Option<&ImageSignature> {
        self.signature.as_ref()
    }

    /// What the sections hold, in their order.
    #[must_use]
    pub fn sections(&self) -> Vec<(SectionKind, &[u8])> {
        let metadata = self.metadata.iter().map(|bytes| (SectionKind::Metadata, &**bytes));
        let ramdisks = self.ramdisks.iter().map(|bytes| (SectionKind::Ramdisk, &**bytes));
        let signature = self.signature.iter().map(|signature| (SectionKind::Signature, signature.as_bytes()));
        [(SectionKind::Kernel, &*self.kernel), (SectionKind::CommandLine, self.command_line.as_bytes())]
            .into_iter()
            .chain(metadata)
            .chain(ramdisks)
            .chain(signature)
            .collect()
    }

    pub(crate) fn with_signature(mut self, signature: ImageSignature) -> Result<Self, ImageError> {
        self.signature = Some(signature);
        self.check()?;
        Ok(self)
    }

    fn check(&self) -> Result<(), ImageError> {
        let sections = self.sections();
        header::check_count(sections.len())?;
        sections.iter().try_for_each(|(kind, content)| kind.check_len(content.len() as u64))?;
        match self.ramdisks.is_empty() {
            true => Err(ImageError::SectionOrder { index: sections.len() - 1, actual: SectionKind::Metadata }),
            false => header::check_file_len(self.encoded_len()),
        }
    }

    fn encoded_len(&self) -> u64 {
        let sections =
            self.sections().iter().map(|(_, content)| (SECTION_HEADER_LEN + content.len()) as u64).sum::<u64>();
        HEADER_LEN as u64 + sections
    }
}

/// Sections as they are read, one after the other.
struct Sections<'a, R> {
    source: &'a mut R,
    crc: crc32fast::Hasher,
    lengths: &'a [u64],
    version: u16,
}

impl<R: Read> Sections<'_, R> {
    fn read(&mut self) -> Result<Parts, ReadError> {
        let mut parts = Parts::default();
        for (index, length) in self.lengths.iter().enumerate() {
            let mut bytes = [0; SECTION_HEADER_LEN];
            self.source.read_exact(&mut bytes)?;
            self.crc.update(&bytes);
            let kind = header::section_kind(&bytes, index, *length)?;
            parts.check_order(index, kind, self.version, index + 1 == self.lengths.len())?;
            let content = self.content(*length)?;
            parts.put(kind, content);
        }
        Ok(parts)
    }

    /// Reads `length` bytes, which the file was found to have.
    fn content(&mut self, length: u64) -> Result<Vec<u8>, ReadError> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let mut content = vec![0; length];
        self.source.read_exact(&mut content)?;
        self.crc.update(&content);
        Ok(content)
    }
}

/// What was read so far.
#[derive(Default)]
struct Parts {
    kernel: Vec<u8>,
    command_line: Vec<u8>,
    metadata: Option<Vec<u8>>,
    ramdisks: Vec<Vec<u8>>,
    signature: Option<Vec<u8>>,
}

impl Parts {
    fn check_order(&self, index: usize, kind: SectionKind, version: u16, is_last: bool) -> Result<(), ImageError> {
        if kind == SectionKind::Metadata && version < WRITTEN_VERSION {
            return Err(ImageError::SectionNotInVersion { index, kind, version });
        }
        let fits = match kind {
            SectionKind::Kernel => index == 0,
            SectionKind::CommandLine => index == 1,
            SectionKind::Metadata => index == 2 && !is_last,
            SectionKind::Ramdisk => index >= 2,
            SectionKind::Signature => is_last && !self.ramdisks.is_empty(),
        };
        if fits { Ok(()) } else { Err(ImageError::SectionOrder { index, actual: kind }) }
    }

    fn put(&mut self, kind: SectionKind, content: Vec<u8>) {
        match kind {
            SectionKind::Kernel => self.kernel = content,
            SectionKind::CommandLine => self.command_line = content,
            SectionKind::Metadata => self.metadata = Some(content),
            SectionKind::Ramdisk => self.ramdisks.push(content),
            SectionKind::Signature => self.signature = Some(content),
        }
    }

    fn into_image(self, header: &Header) -> Result<EifImage, ImageError> {
        let command_line = String::from_utf8(self.command_line).map_err(|_| ImageError::CommandLineNotText)?;
        if command_line.contains('\0') {
            return Err(ImageError::CommandLineNotText);
        }
        if let Some(metadata) = &self.metadata {
            Metadata::from_bytes(metadata)?;
        }
        let image = EifImage {
            version: header.version,
            architecture: header.architecture,
            default_memory: header.default_memory,
            default_cpus: header.default_cpus,
            kernel: self.kernel,
            command_line,
            metadata: self.metadata,
            ramdisks: self.ramdisks,
            signature: self.signature.map(ImageSignature::from_bytes).transpose()?,
        };
        Ok(image)
    }
}

/// 1 GiB, as AWS's tools write it.
const DEFAULT_MEMORY: u64 = 1 << 30;
const DEFAULT_CPUS: u64 = 2;
