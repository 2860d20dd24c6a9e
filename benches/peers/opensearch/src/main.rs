//! The tasks with the crate `opensearch`. It is built without TLS, because no task uses it.

use aws_credential_types::Credentials as AwsCredentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_types::region::Region;
use futures_util::future::try_join_all;
use opensearch::auth::Credentials;
use opensearch::http::transport::{SingleNodeConnectionPool, TransportBuilder};
use opensearch::snapshot::SnapshotCreateRepositoryParts;
use opensearch::{Error, OpenSearch};
use serde_json::{Value, json};
use stub::{Args, Start};
use url::Url;

fn main() {
    let args = Args::read();
    let start = Start::new();
    stub::on_one_thread(run(&args)).unwrap();
    start.report(args.calls, 0);
}

async fn run(args: &Args) -> Result<(), Error> {
    let url = Url::parse(&format!("http://{}", args.address)).unwrap();
    let transport = TransportBuilder::new(SingleNodeConnectionPool::new(url)).disable_proxy();
    let transport = match args.task.as_str() {
        "signed" => {
            let credentials = AwsCredentials::new(stub::KEY, stub::SECRET, Some(stub::token()), None, "peers");
            let provider = SharedCredentialsProvider::new(credentials);
            transport.auth(Credentials::AwsSigV4(provider, Region::from_static(stub::REGION))).service_name("es")
        }
        "unsigned" => transport,
        other => panic!("unknown task {other:?}, expected `signed` or `unsigned`"),
    };
    let client = OpenSearch::new(transport.build().unwrap());
    try_join_all((0..args.in_flight).map(|_| register(&client, args.calls / args.in_flight))).await?;
    Ok(())
}

async fn register(client: &OpenSearch, calls: usize) -> Result<(), Error> {
    let settings = json!({
        "type": "s3", "settings": {"bucket": stub::BUCKET, "region": stub::REGION, "role_arn": stub::ROLE}
    });
    for _ in 0..calls {
        let parts = SnapshotCreateRepositoryParts::Repository(stub::REPOSITORY);
        let response =
            client.snapshot().create_repository(parts).body(&settings).send().await?.error_for_status_code()?;
        assert_eq!(response.json::<Value>().await?["acknowledged"], true);
    }
    Ok(())
}
