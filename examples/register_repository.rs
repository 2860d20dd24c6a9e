//! Registers a bucket as a repository, takes a snapshot, and restores it under other names.
//!
//! `register_repository ENDPOINT BUCKET REGION ROLE_ARN SNAPSHOT [CA_FILE]`
//!
//! The command line `es-snapshot` does the same with more options.

use std::error::Error;
use std::{env, fs};

use es_snapshot::transport::HyperTransport;
use es_snapshot::{CreateSnapshot, RestoreSnapshot, S3Settings, SnapshotClient, default_credentials};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [endpoint, bucket, region, role, name, authority @ ..] = arguments.as_slice() else {
        return Err("usage: register_repository ENDPOINT BUCKET REGION ROLE_ARN SNAPSHOT [CA_FILE]".into());
    };
    let mut builder = SnapshotClient::builder(endpoint).credentials(default_credentials().await);
    if let [file] = authority {
        builder = builder.transport(HyperTransport::builder().ca_pem(fs::read(file)?).build()?);
    }
    let settings = S3Settings::new(bucket).with_region(region).with_role_arn(role);
    back_up(&builder.build()?, settings, name).await?;
    Ok(())
}

/// Takes a snapshot with this name, and restores its indices beside the existing ones.
pub(crate) async fn back_up(
    client: &SnapshotClient,
    settings: S3Settings,
    name: &str,
) -> Result<(), es_snapshot::Error> {
    let backups = client.repository("my-snapshot-repo")?;
    let registered = backups.ensure_registered(settings).await?;
    println!("registration {}", registered.change());

    let started = backups.create_snapshot(name, CreateSnapshot::new()).await?;
    let snapshot = started.wait().await?.into_complete()?;
    println!("saved        {}", snapshot.indices().join(", "));

    // A domain refuses the restore of its own hidden indices, and an empty list would select all.
    let indices: Vec<_> = snapshot.indices().iter().filter(|index| !index.starts_with('.')).collect();
    if indices.is_empty() {
        return Ok(());
    }
    let prefix = format!("{name}-");
    let options = RestoreSnapshot::new().with_indices(indices).with_rename_prefix(prefix).with_include_aliases(false);
    let restore = backups.snapshot(name)?.restore(options).await?;
    let report = restore.wait().await?.into_complete()?;
    println!("restored     {}", report.indices().join(", "));
    Ok(())
}
