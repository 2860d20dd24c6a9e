//! Registers an S3 repository, takes a snapshot, shows its progress, and restores it under new
//! names.
//!
//! Without `--endpoint` it uses a fake domain inside this process. See `--help`.

#![expect(clippy::doc_markdown, rustdoc::bare_urls, reason = "the comments of the arguments are shown as plain text")]

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use es_snapshot::name::{RepositoryName, SnapshotName};
use es_snapshot::testing::FakeDomain;
use es_snapshot::transport::HyperTransport;
use es_snapshot::wait::WaitUpdate;
use es_snapshot::{
    Auth, CreateSnapshot, Error, ErrorKind, RestoreSnapshot, S3Settings, SnapshotClient, SnapshotInfo, SnapshotState,
    default_credentials,
};
use futures_util::TryStreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};

/// Registers an S3 snapshot repository, takes a snapshot, and restores it if --restore-prefix is
/// set.
///
/// With --endpoint it uses that domain. Credentials come from the environment, the profile, the
/// container or the instance profile. Without --endpoint it starts a fake domain in this process,
/// uses that one, and restores under the prefix `restored-`.
#[derive(Parser)]
pub(crate) struct Args {
    /// The domain, such as https://vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com
    #[arg(long)]
    endpoint: Option<String>,
    /// The region to sign for, if the endpoint's host does not contain it
    #[arg(long, requires = "endpoint")]
    region: Option<String>,
    /// How to authenticate
    #[arg(long, requires = "endpoint", value_enum)]
    auth: Option<AuthKind>,
    /// The user for --auth basic; the password is read from the variable ES_SNAPSHOT_PASSWORD. With
    /// --role-arn, the registration is signed with AWS credentials nevertheless
    #[arg(long, requires = "endpoint")]
    user: Option<String>,
    /// The repository to register
    #[arg(long, default_value = "my-snapshot-repo")]
    repository: RepositoryName,
    /// The bucket
    #[arg(long, requires = "endpoint")]
    bucket: Option<String>,
    /// The bucket's region
    #[arg(long, requires = "endpoint")]
    bucket_region: Option<String>,
    /// The host of S3, such as s3.amazonaws.com, if the bucket is in another region than the domain
    #[arg(long, requires = "endpoint", conflicts_with = "bucket_region")]
    bucket_endpoint: Option<String>,
    /// The role with which the domain reads and writes the bucket
    #[arg(long, requires = "endpoint")]
    role_arn: Option<String>,
    /// The folder in the bucket, without a leading slash
    #[arg(long, requires = "endpoint")]
    base_path: Option<String>,
    /// The snapshot to take
    #[arg(long, default_value = "my-first-snapshot")]
    snapshot: SnapshotName,
    /// Restores the snapshot's indices under new names, which begin with this text. Hidden indices,
    /// whose names begin with a dot, are left out
    #[arg(long)]
    restore_prefix: Option<String>,
    /// A PEM file of certificate authorities to trust in addition to the usual ones
    #[arg(long, requires = "endpoint")]
    ca_file: Option<std::path::PathBuf>,
    /// The host to sign for and to verify, if --endpoint is the near end of a tunnel to it
    #[arg(long, requires = "endpoint")]
    signed_host: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum AuthKind {
    /// AWS Signature Version 4
    Sigv4,
    /// User and password
    Basic,
    /// Nothing
    None,
}

pub(crate) type Failure = Box<dyn std::error::Error>;

/// The time limit of the snapshot, and that of the restore.
const LIMIT: Duration = Duration::from_secs(6 * 60 * 60);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> ExitCode {
    let args = Args::parse();
    let result = match &args.endpoint {
        Some(endpoint) => run_on_domain(&args, endpoint).await,
        None => run_on_fake_domain(&args).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            let mut cause = failure.source();
            while let Some(inner) = cause {
                eprintln!("  caused by: {inner}");
                cause = inner.source();
            }
            if let Some(hint) = failure.downcast_ref::<Error>().and_then(hint) {
                eprintln!("hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

async fn run_on_domain(args: &Args, endpoint: &str) -> Result<(), Failure> {
    let bucket = args.bucket.as_deref().ok_or("--bucket is missing: the bucket for the snapshots")?;
    let mut builder = match &args.signed_host {
        Some(host) => {
            let (scheme, rest) = endpoint.split_once("://").ok_or("--endpoint must start with https:// or http://")?;
            let near = rest.trim_end_matches('/');
            let near = if near.contains(':') { near.to_owned() } else { format!("{near}:443") };
            SnapshotClient::builder(format!("{scheme}://{host}")).connect_to(near)
        }
        None => SnapshotClient::builder(endpoint),
    };
    if let Some(region) = &args.region {
        builder = builder.region(region);
    }
    if let Some(file) = &args.ca_file {
        let pem = std::fs::read(file).map_err(|error| format!("--ca-file {}: {error}", file.display()))?;
        builder = builder.transport(HyperTransport::builder().ca_pem(pem).build()?);
    }
    builder = match args.auth.unwrap_or(AuthKind::Sigv4) {
        AuthKind::Sigv4 => builder.credentials(default_credentials().await),
        AuthKind::Basic => {
            let user = args.user.as_deref().ok_or("--user is missing: --auth basic needs it")?;
            let password =
                std::env::var("ES_SNAPSHOT_PASSWORD").map_err(|_| "the variable ES_SNAPSHOT_PASSWORD is not set")?;
            let auth = Auth::basic(user, &password)?;
            // A registration with a role must be signed by someone who may pass that role.
            match args.role_arn {
                Some(_) => builder.auth(auth.with_signed_registration(default_credentials().await)),
                None => builder.auth(auth),
            }
        }
        AuthKind::None => builder,
    };
    let client = builder.build()?;

    let mut settings = S3Settings::new(bucket);
    if let Some(region) = &args.bucket_region {
        settings = settings.with_region(region);
    }
    if let Some(host) = &args.bucket_endpoint {
        settings = settings.with_endpoint(host);
    }
    if let Some(role) = &args.role_arn {
        settings = settings.with_role_arn(role.clone());
    }
    if let Some(path) = &args.base_path {
        settings = settings.with_base_path(path);
    }
    let snapshot = register_and_snapshot(&client, args, settings).await?;
    match &args.restore_prefix {
        Some(prefix) => restore(&client, args, &snapshot, prefix).await,
        None => Ok(()),
    }
}

async fn run_on_fake_domain(args: &Args) -> Result<(), Failure> {
    println!("No --endpoint: this is a fake domain inside this process. Nothing is backed up.\n");
    let domain = FakeDomain::start().await;
    domain.create_index("movies", 3);
    let client = SnapshotClient::builder(domain.endpoint())
        .region(domain.region())
        .credentials(domain.credentials_provider())
        .build()?;
    let settings = S3Settings::new("my-bucket-4-es")
        .with_region(domain.region())
        .with_role_arn("arn:aws:iam::123456789012:role/TestRoleForESManualSnapshot");
    let snapshot = register_and_snapshot(&client, args, settings).await?;
    restore(&client, args, &snapshot, args.restore_prefix.as_deref().unwrap_or("restored-")).await?;
    println!("\nThat was the fake domain. Pass --endpoint to back up a real one.");
    Ok(())
}

pub(crate) async fn register_and_snapshot(
    client: &SnapshotClient,
    args: &Args,
    settings: S3Settings,
) -> Result<SnapshotInfo, Failure> {
    let (repository, name) = (&args.repository, &args.snapshot);
    // Permission to manage snapshots does not include permission to read this.
    if let Ok(server) = client.server_info().await {
        println!("domain       {} {}", server.distribution().unwrap_or("elasticsearch"), server.version());
    }

    client.repository(repository)?.register(settings).await?;
    let registered = client.repository(repository)?.info().await?;
    println!("registered   {} ({})", registered.name(), registered.settings().repository_type());

    client.repository(repository)?.create_snapshot(name, CreateSnapshot::new()).await?;
    println!("started      {repository}:{name}");

    let snapshot = watch(client, repository, name).await?;
    show(&snapshot);
    Ok(snapshot.into_complete()?)
}

/// Restores the indices of a snapshot beside the existing ones.
pub(crate) async fn restore(
    client: &SnapshotClient,
    args: &Args,
    snapshot: &SnapshotInfo,
    prefix: &str,
) -> Result<(), Failure> {
    // A domain refuses the restore of its own hidden indices, and an empty list would select all.
    let indices: Vec<_> = snapshot.indices().iter().filter(|index| !index.starts_with('.')).collect();
    if indices.is_empty() {
        println!("restored     nothing: the snapshot contains no index to restore");
        return Ok(());
    }
    let options = RestoreSnapshot::new().with_indices(indices).with_rename_prefix(prefix).with_include_aliases(false);
    let restore = client.repository(&args.repository)?.snapshot(&args.snapshot)?.restore(options).await?;
    let report = restore.wait().with_deadline(LIMIT).await?.into_complete()?;
    println!("restored     {} ({} shards)", report.indices().join(", "), report.shards_total());
    Ok(())
}

async fn watch(
    client: &SnapshotClient,
    repository: &RepositoryName,
    name: &SnapshotName,
) -> Result<SnapshotInfo, Error> {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {msg}") {
        bar.set_style(style);
    }
    let mut progress = client.repository(repository)?.snapshot(name)?.wait().with_deadline(LIMIT).progress();
    loop {
        match progress.try_next().await? {
            Some(WaitUpdate::Progress(now)) => {
                bar.set_length(now.bytes_total());
                bar.set_position(now.bytes_done());
                bar.set_message(format!("{} of {} shards", now.shards_done(), now.shards_total()));
            }
            Some(WaitUpdate::Ended(snapshot)) => {
                bar.finish_and_clear();
                return Ok(snapshot);
            }
            _ => {}
        }
    }
}

fn show(snapshot: &SnapshotInfo) {
    println!("ended        {} in {:?}", snapshot.state(), snapshot.duration().unwrap_or_default());
    let indices = if snapshot.indices().is_empty() {
        "none: the domain has no index".to_owned()
    } else {
        snapshot.indices().join(", ")
    };
    println!("indices      {indices}");
    if let Some(shards) = snapshot.shards() {
        println!("shards       {} of {}", shards.successful(), shards.total());
    }
    if *snapshot.state() != SnapshotState::Success {
        for failure in snapshot.failures() {
            println!("failed shard [{}] {}", failure.index(), failure.reason().unwrap_or("no reason given"));
        }
    }
}

/// Returns what an operator can do about the error.
fn hint(error: &Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::Credentials => {
            "attach an instance profile to this host, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        ErrorKind::Signature => {
            "the signature was refused: check --region, and set --signed-host if the endpoint is a tunnel"
        }
        ErrorKind::MissingRoleArn => "pass --role-arn, the role with which the domain reads and writes the bucket",
        ErrorKind::AccessDenied => {
            "the caller needs iam:PassRole on the role, es:ESHttp* on the domain, and with fine-grained access control the role manage_snapshots"
        }
        ErrorKind::RepositoryVerification => {
            "the domain cannot write to the bucket: check the bucket's name and region, and the role's policy and trust policy"
        }
        ErrorKind::SnapshotNameTaken => "a snapshot of that name exists: pass another --snapshot",
        ErrorKind::Connect => {
            "a domain in a VPC can be reached only from inside the VPC: check the endpoint, the security group and the tunnel"
        }
        _ => return None,
    })
}
