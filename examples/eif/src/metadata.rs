//! The metadata section: who made an image, with what. JSON; no register covers it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ImageError;

/// What an image says of itself, with the members that AWS's tools write and read. Members that are not known are passed
/// over in reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Metadata {
    /// What the image is called.
    pub image_name: String,
    /// Its version.
    pub image_version: String,
    /// How it was built.
    pub build_metadata: BuildMetadata,
    /// The container image that it was made of; null, unless `nitro-cli` made it.
    pub docker_info: Value,
    /// What its maker added; null for nothing.
    pub custom_metadata: Value,
}

/// How an image was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct BuildMetadata {
    /// RFC 3339.
    pub build_time: String,
    /// The program.
    pub build_tool: String,
    /// Its version.
    pub build_tool_version: String,
    /// What the kernel is of.
    pub operating_system: String,
    /// Its version.
    pub kernel_version: String,
}

impl Metadata {
    /// The metadata of an image by this name and version that this package builds. The time is the epoch, because the same
    /// input is to give the same bytes.
    #[must_use]
    pub fn new(image_name: &str, image_version: &str) -> Self {
        Self {
            image_name: image_name.to_owned(),
            image_version: image_version.to_owned(),
            build_metadata: BuildMetadata::default(),
            docker_info: Value::Null,
            custom_metadata: Value::Null,
        }
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, ImageError> {
        serde_json::from_slice(bytes).map_err(|error| ImageError::Metadata { detail: error.to_string() })
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("strings and JSON values are JSON")
    }
}

impl Default for BuildMetadata {
    fn default() -> Self {
        Self {
            build_time: EPOCH.to_owned(),
            build_tool: env!("CARGO_PKG_NAME").to_owned(),
            build_tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            operating_system: "Linux".to_owned(),
            kernel_version: "unknown".to_owned(),
        }
    }
}

const EPOCH: &str = "1970-01-01T00:00:00Z";
