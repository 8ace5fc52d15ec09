//! `build`.

use std::path::Path;

use super::arguments::BuildArguments;
use super::{Failure, Report, measurements, read_signer};
use crate::file_list::{FileList, MAX_LIST_LEN};
use crate::files;
use crate::image::EifImage;
use crate::metadata::Metadata;
use crate::ramdisk::Ramdisk;
use crate::release::{self, BuildRecord};
use crate::section::{MAX_IMAGE_LEN, SectionKind};

pub(super) fn execute(arguments: &BuildArguments) -> Result<Report, Failure> {
    let kernel = files::read(&arguments.kernel, MAX_IMAGE_LEN)?;
    let command_line = command_line(arguments)?;
    let ramdisks = ramdisks(arguments)?;
    if let Some(path) = &arguments.build_record {
        let record = BuildRecord::from_json(&files::read(path, release::MAX_BUILD_RECORD_LEN)?)?;
        release::check_release(&ramdisks, &command_line, &record)?;
    }
    let mut metadata = Metadata::new(&arguments.name, &arguments.version);
    metadata.build_metadata.build_time.clone_from(&arguments.build_time);
    metadata.build_metadata.kernel_version.clone_from(&arguments.kernel_version);
    let archive = if arguments.compress { Ramdisk::to_cpio_gz } else { Ramdisk::to_cpio };
    let archives = ramdisks.iter().map(archive).collect();
    let made = EifImage::new(arguments.arch.into(), kernel, &command_line, &metadata, archives);
    let mut image = made.map_err(Failure::Parts)?;
    if let Some([key, certificate]) = arguments.sign.as_deref() {
        image = image.sign(&read_signer(key, certificate)?)?;
    }
    files::write(&arguments.output, &image.to_bytes())?;
    Ok(measurements(&image))
}

fn command_line(arguments: &BuildArguments) -> Result<String, Failure> {
    let Some(path) = &arguments.cmdline_file else { return Ok(arguments.cmdline.clone().unwrap_or_default()) };
    // Two bytes more for the line's end.
    let bytes = files::read(path, SectionKind::CommandLine.max_len() + 2)?;
    let text = text(path, bytes)?;
    let line = text.strip_suffix('\n').map_or(&*text, |line| line.strip_suffix('\r').unwrap_or(line));
    Ok(line.to_owned())
}

/// The ramdisks, of which the first one has what every image needs.
fn ramdisks(arguments: &BuildArguments) -> Result<Vec<Ramdisk>, Failure> {
    let mut ramdisks = Vec::new();
    if !arguments.files.is_empty() {
        let (mut list, mut ramdisk) = (FileList::default(), Ramdisk::boot());
        for file in &arguments.files {
            list.push_file(file.path.clone(), file.mode, file.source.clone());
        }
        list.load(Path::new(""), &mut ramdisk).map_err(|error| Failure::FileArguments { error })?;
        ramdisks.push(ramdisk);
        return Ok(ramdisks);
    }
    for path in &arguments.ramdisks {
        let list = |error| Failure::List { path: path.clone(), error };
        let mut ramdisk = if ramdisks.is_empty() { Ramdisk::boot() } else { Ramdisk::new() };
        let text = text(path, files::read(path, MAX_LIST_LEN)?)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        text.parse::<FileList>().and_then(|list| list.load(folder, &mut ramdisk)).map_err(list)?;
        ramdisks.push(ramdisk);
    }
    Ok(ramdisks)
}

fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::NotText { path: path.to_owned() })
}
