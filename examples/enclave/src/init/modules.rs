//! The kernel's modules: drivers of the NSM and of vsock, where they are not built in.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::system::finit_module;

use crate::init::InitError;

/// Loads the modules of the image in the order of their names, which is how an image says which one needs which. No
/// such folder means a kernel that has everything built in.
pub(super) fn load_all() -> Result<(), InitError> {
    let listed = match fs::read_dir(FOLDER) {
        Ok(entries) => in_order(entries.map(|entry| entry.map(|entry| entry.path())))?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(InitError::Modules { path: FOLDER, error }),
    };
    listed.into_iter().try_for_each(load)
}

fn load(path: PathBuf) -> Result<(), InitError> {
    let file = open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    match file.and_then(|file| finit_module(file, c"", 0)) {
        // It is loaded, or built in: what was wanted.
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(InitError::Module { path, error }),
    }
}

/// The modules among `paths`, by name.
fn in_order(paths: impl Iterator<Item = io::Result<PathBuf>>) -> Result<Vec<PathBuf>, InitError> {
    let mut modules = Vec::new();
    for path in paths {
        let path = path.map_err(|error| InitError::Modules { path: FOLDER, error })?;
        if path.extension() != Some(EXTENSION.as_ref()) {
            continue;
        }
        if modules.len() == MAX_MODULES {
            return Err(InitError::TooManyModules { path: FOLDER, max: MAX_MODULES });
        }
        modules.push(path);
    }
    modules.sort_by(|one, other| name(one).cmp(name(other)));
    Ok(modules)
}

fn name(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_encoded_bytes()
}

const FOLDER: &str = "/lib/modules";
const EXTENSION: &str = "ko";
/// An enclave needs five.
const MAX_MODULES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn order(names: &[&str]) -> Result<Vec<PathBuf>, InitError> {
        in_order(names.iter().map(|name| Ok(Path::new(FOLDER).join(name))))
    }

    #[test]
    fn modules_come_by_name_and_other_files_do_not_come() {
        let listed = order(&["10-nsm.ko", "02-vsock.ko", "README", "01-virtio_mmio.ko", "x.ko.xz", "ko"]).unwrap();
        let expected = ["01-virtio_mmio.ko", "02-vsock.ko", "10-nsm.ko"].map(|name| Path::new(FOLDER).join(name));
        assert_eq!(listed, expected);
    }

    #[test]
    fn as_many_modules_as_allowed_are_taken_and_one_more_is_refused() {
        let names: Vec<String> = (0..=MAX_MODULES).map(|number| format!("{number:03}.ko")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(order(&names[..MAX_MODULES]).unwrap().len(), MAX_MODULES);
        assert!(matches!(order(&names), Err(InitError::TooManyModules { max: MAX_MODULES, .. })));
    }

    #[test]
    fn a_folder_that_cannot_be_read_to_its_end_is_an_error() {
        let entries = [Ok(PathBuf::from("a.ko")), Err(io::Error::from(ErrorKind::PermissionDenied))];
        let error = in_order(entries.into_iter()).unwrap_err();
        assert!(matches!(&error, InitError::Modules { path: FOLDER, .. }), "{error}");
    }

    #[test]
    fn what_is_no_module_is_refused_with_its_path() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = load(file.path().to_path_buf()).unwrap_err();
        assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
    }
}
