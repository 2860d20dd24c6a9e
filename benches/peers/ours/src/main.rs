//! The tasks with this crate.

use aws_credential_types::Credentials;
use es_snapshot::{Error, ListSnapshots, Repository, S3Settings, SnapshotClient};
use futures_util::TryStreamExt as _;
use futures_util::future::try_join_all;
use stub::{Args, Start};

fn main() {
    let args = Args::read();
    let start = Start::new();
    let (count, first) = stub::on_one_thread(run(&args, &start)).unwrap();
    start.report(count, first);
}

async fn run(args: &Args, start: &Start) -> Result<(usize, u128), Error> {
    let builder = SnapshotClient::builder(format!("http://{}", args.address));
    let builder = match args.task.as_str() {
        "unsigned" => builder,
        _ => {
            let credentials = Credentials::new(stub::KEY, stub::SECRET, Some(stub::token()), None, "peers");
            builder.credentials(credentials).region(stub::REGION)
        }
    };
    let repository = builder.build()?.repository(stub::REPOSITORY)?;
    match args.task.as_str() {
        "signed" | "unsigned" => {
            try_join_all((0..args.in_flight).map(|_| register(&repository, args.calls / args.in_flight))).await?;
            Ok((args.calls, 0))
        }
        "stream" => {
            let mut snapshots = repository.snapshots(ListSnapshots::new());
            let (mut count, mut first) = (0, 0);
            while snapshots.try_next().await?.is_some() {
                if count == 0 {
                    first = start.micros();
                }
                count += 1;
            }
            Ok((count, first))
        }
        "list" => {
            let snapshots = repository.list(ListSnapshots::new()).await?;
            Ok((snapshots.snapshots().len(), start.micros()))
        }
        other => panic!("unknown task {other:?}, expected `signed`, `unsigned`, `stream` or `list`"),
    }
}

async fn register(repository: &Repository, calls: usize) -> Result<(), Error> {
    let settings = S3Settings::new(stub::BUCKET).with_region(stub::REGION).with_role_arn(stub::ROLE);
    for _ in 0..calls {
        repository.register(settings.clone()).await?;
    }
    Ok(())
}
