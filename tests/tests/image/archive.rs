//! Images as files.

use std::{collections::BTreeMap, fs, io::Read as _, path::Path};

use metaparticle::deploy::{
    image::{Destination, Published, credentials::Places, digest::Digest, publish_built},
    report::Report,
};
use serde_json::Value;

use crate::{app, directory, program, request};

async fn save(path: &Path, cache: &Path) -> Published {
    let mut request = request("demo");
    request.repository = None;
    request.destination = Destination::Archive(path.to_owned());
    let program = program("a", cache);
    publish_built(
        &app(),
        &request,
        program,
        Places::default(),
        &Report::capture(),
    )
    .await
    .unwrap()
}

fn files(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(fs::File::open(path).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, content)
    });
    entries.collect()
}

#[tokio::test]
async fn archive_is_an_oci_layout_with_every_blob() {
    let dir = directory();
    let path = dir.path().join("image.tar");
    let published = save(&path, dir.path()).await;
    let files = files(&path);
    assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
    let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
    let manifest = &index["manifests"][0];
    assert_eq!(manifest["digest"], published.digest);
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.ref.name"],
        "0.1.0"
    );
    let blob = |digest: &Value| {
        let digest = digest.as_str().unwrap();
        let content = &files[&format!("blobs/{}", digest.replace(':', "/"))];
        assert_eq!(Digest::of(content).to_string(), digest);
        content
    };
    let manifest: Value = serde_json::from_slice(blob(&manifest["digest"])).unwrap();
    blob(&manifest["config"]["digest"]);
    for layer in manifest["layers"].as_array().unwrap() {
        blob(&layer["digest"]);
    }
}

#[tokio::test]
async fn archives_of_one_program_are_equal_and_replace_each_other() {
    let (dir, other) = (directory(), directory());
    let paths = [dir.path().join("a.tar"), dir.path().join("b.tar")];
    fs::write(&paths[0], "what was there").unwrap();
    save(&paths[0], dir.path()).await;
    save(&paths[1], other.path()).await;
    assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
    let names = fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a.tar", "b.tar", "image"]);
}

#[tokio::test]
async fn archive_into_a_directory_that_is_not_there_is_an_error_with_its_path() {
    let dir = directory();
    let mut request = request("demo");
    request.destination = Destination::Archive(dir.path().join("none/image.tar"));
    let program = program("a", dir.path());
    let error = publish_built(
        &app(),
        &request,
        program,
        Places::default(),
        &Report::capture(),
    )
    .await
    .unwrap_err();
    assert!(error.to_string().contains("none/image.tar"), "{error}");
}
