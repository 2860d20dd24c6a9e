//! AWS credentials: those of a profile, or of the default chain.

use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls::{self, rustls_provider};
use aws_smithy_runtime_api::client::http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_types::region::Region;

/// Returns the credentials of the profile if one is given, otherwise the default chain.
///
/// The region is that of STS. Without one, the chain looks for it, also at the metadata service.
pub(crate) async fn credentials(profile: Option<&str>, region: Option<&str>) -> SharedCredentialsProvider {
    let region = region.map(|region| Region::new(region.to_owned()));
    let tls = tls::Provider::Rustls(rustls_provider::CryptoMode::Ring);
    let http = OnDemand(aws_smithy_http_client::Builder::new().tls_provider(tls).build_https());
    let config = ProviderConfig::without_region().with_region(region.clone()).with_http_client(http);
    if let Some(profile) = profile {
        let provider = ProfileFileCredentialsProvider::builder().profile_name(profile).configure(&config).build();
        return SharedCredentialsProvider::new(provider);
    }
    let chain = DefaultCredentialsChain::builder().configure(config);
    SharedCredentialsProvider::new(match region {
        Some(region) => chain.region(region).build().await,
        None => chain.build().await,
    })
}

/// A client that reads the authorities of the system with its first request. The SDK's reads them
/// at once, which takes longer than all the rest of a start.
#[derive(Debug)]
struct OnDemand(SharedHttpClient);

impl HttpClient for OnDemand {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }
}
