//! The AWS default credential chain, from the crate `aws-config` (feature `aws-config`).

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;

/// Returns a provider that uses the AWS default credential chain.
///
/// The chain consists of the environment, the profile, web identity, ECS and EKS Pod Identity, and
/// EC2 instance metadata (IMDSv2). Only web identity and profiles that assume a role call an AWS
/// API (STS). In a subnet without a route to STS, use the others. The HTTP client is hyper and
/// rustls with ring, like the rest of this crate.
///
/// A credentials file is read once. If another program writes new session keys to it, the chain
/// does not see them until it is built again. For keys that rotate, set `credential_process` in the
/// profile. That program runs for each refresh.
///
/// The chain uses no proxy, whatever the environment variables contain, so requests to the metadata
/// service and their credentials never reach one.
///
/// This function requests no credentials yet. It determines the region for STS, and may query the
/// metadata service for it.
///
/// ```no_run
/// # use es_snapshot::SnapshotClient;
/// # async fn run() -> Result<(), es_snapshot::Error> {
/// let client = SnapshotClient::builder("https://vpc-logs-x1y2.ap-northeast-1.es.amazonaws.com")
///     .credentials(es_snapshot::default_credentials().await)
///     .build()?;
/// # Ok(())
/// # }
/// ```
pub async fn default_credentials() -> SharedCredentialsProvider {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let config = ProviderConfig::without_region().with_http_client(http);
    SharedCredentialsProvider::new(DefaultCredentialsChain::builder().configure(config).build().await)
}
