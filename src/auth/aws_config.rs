//! Credentials from where AWS tools look for them, by `aws-config` (feature `aws-config`).

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;

/// The AWS default chain: environment, profile, web identity, ECS and EKS Pod Identity, EC2
/// instance metadata (IMDSv2).
///
/// Of these only web identity and profiles that assume a role call an AWS API (STS); in a subnet
/// without a route to it, use the others. The HTTP client is hyper and rustls with ring, as the
/// rest of this crate.
///
/// A credentials file is read once: session keys that another program writes into it anew are not
/// seen until the chain is built again. Where keys rotate, have the profile name that program by
/// `credential_process`, which is run for each refresh.
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
///
/// Asks for no credentials yet. It looks for a region to call STS in, as far as the metadata
/// service.
pub async fn default_credentials() -> SharedCredentialsProvider {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let config = ProviderConfig::without_region().with_http_client(http);
    SharedCredentialsProvider::new(DefaultCredentialsChain::builder().configure(config).build().await)
}
