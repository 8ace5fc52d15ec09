//! What the registers of an enclave will hold that runs an image.

use nsm_attest::measure::{self, ImageMeasurements};
use nsm_attest::{PcrIndex, PcrValue, Pcrs};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::image::EifImage;

/// PCR0, PCR1, PCR2 and, of a signed image, PCR8.
///
/// Serialised as `nitro-cli` prints it:
///
/// ```
/// use eif::{Architecture, EifImage, Metadata};
///
/// let metadata = Metadata::new("signer", "1.0");
/// let image = EifImage::new(Architecture::X86_64, b"kernel".to_vec(), "", &metadata, vec![b"init".to_vec()])?;
/// let json = serde_json::to_value(image.measure())?;
/// assert_eq!(json["HashAlgorithm"], "Sha384 { ... }");
/// assert_eq!(json["PCR0"].as_str().map(str::len), Some(96));
/// assert!(json.get("PCR8").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measurements {
    /// PCR0, PCR1 and PCR2.
    pub image: ImageMeasurements,
    /// PCR8: the certificate in the signature section, whether or not the signature is right.
    pub signer: Option<PcrValue>,
}

impl Measurements {
    /// The registers by their indices.
    #[must_use]
    pub fn pcrs(&self) -> Pcrs {
        let ImageMeasurements { image, kernel, application } = self.image;
        let image = [(PcrIndex::IMAGE, image), (PcrIndex::KERNEL, kernel), (PcrIndex::APPLICATION, application)];
        image.into_iter().chain(self.signer.map(|value| (PcrIndex::SIGNER, value))).collect()
    }
}

impl Serialize for Measurements {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("HashAlgorithm", HASH_ALGORITHM)?;
        for (index, value) in self.pcrs().iter() {
            map.serialize_entry(&format!("PCR{index}"), value)?;
        }
        map.end()
    }
}

impl EifImage {
    /// What the registers of an enclave that runs this image will hold.
    #[must_use]
    pub fn measure(&self) -> Measurements {
        let ramdisks: Vec<_> = self.ramdisks().iter().map(Vec::as_slice).collect();
        Measurements {
            image: measure::image(self.kernel(), self.command_line().as_bytes(), &ramdisks),
            signer: self.signature().map(|signature| measure::signer(signature.certificate().as_der())),
        }
    }
}

/// As `nitro-cli` shows its digest type.
const HASH_ALGORITHM: &str = "Sha384 { ... }";
