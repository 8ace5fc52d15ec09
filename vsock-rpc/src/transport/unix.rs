//! Unix listeners: private from their first moment, never clobbering, gone when dropped.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Binds `path` with mode 0600.
///
/// A socket that nobody serves any more is replaced; anything else at `path` is left alone and refused.
pub(super) async fn bind(path: &Path) -> io::Result<BoundSocket> {
    remove_stale(path).await?;
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    // Only after this line is the path ours to remove; before `listen` nobody can connect, so there is no
    // moment at which the umask's permissions matter.
    let unlink = match UnlinkOnDrop::new(path) {
        Ok(unlink) => unlink,
        Err(error) => {
            fs::remove_file(path)?;
            return Err(error);
        }
    };
    fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
    let listener = socket.listen(super::LISTEN_BACKLOG)?;
    Ok(BoundSocket { listener, _unlink: unlink })
}

/// A listener and its path, which is removed on drop.
#[derive(Debug)]
pub(super) struct BoundSocket {
    pub(super) listener: UnixListener,
    _unlink: UnlinkOnDrop,
}

/// Removes a path on drop if it still is the file that was there at first.
#[derive(Debug)]
struct UnlinkOnDrop {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl UnlinkOnDrop {
    fn new(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }
}

impl Drop for UnlinkOnDrop {
    fn drop(&mut self) {
        let still_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| metadata.dev() == self.device && metadata.ino() == self.inode);
        if still_ours {
            // Nobody is left to tell: a path that cannot be removed is found stale by the next bind.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn remove_stale(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path exists and is not a socket"));
    }
    match UnixStream::connect(path).await {
        Ok(_) => Err(in_use()),
        // Its backlog is full.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(in_use()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

fn in_use() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another process serves this socket")
}

/// Connecting needs write permission: the owner alone has it.
const SOCKET_MODE: u32 = 0o600;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn is_private_and_removed_on_drop() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let bound = bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn refuses_to_clobber_a_file_a_symlink_or_a_live_socket() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, b"precious").unwrap();
        assert_eq!(bind(&file).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"precious");

        let link = dir.path().join("l");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert_eq!(bind(&link).await.unwrap_err().kind(), io::ErrorKind::AlreadyExists);

        let live = dir.path().join("s");
        let _bound = bind(&live).await.unwrap();
        assert_eq!(bind(&live).await.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[tokio::test]
    async fn replaces_a_socket_that_nobody_serves() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _bound = bind(&path).await.unwrap();
    }

    #[tokio::test]
    async fn leaves_a_successor_at_the_same_path_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let first = bind(&path).await.unwrap();
        fs::rename(&path, dir.path().join("moved")).unwrap();
        let _second = bind(&path).await.unwrap();
        drop(first);
        assert!(path.exists());
    }
}
