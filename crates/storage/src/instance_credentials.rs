//! Whether an object store's library may ask the machine for credentials.
//!
//! Without credentials in the environment the library would send requests to the metadata address of a cloud
//! (169.254.169.254 and the like), and use what answers there. On a machine that is not in that cloud somebody else may
//! answer, and in it the machine's role often may do more than this service should. So an operator has to ask for it.

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};

/// Whether the credentials of the machine's role may be used where none are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceCredentials {
    /// They may: the metadata address of the cloud is asked.
    Allowed,
    /// Credentials must be given, or a way to get them must be named.
    Forbidden,
}

impl InstanceCredentials {
    /// As a setting says it.
    pub fn from_setting(is_allowed: bool) -> Self {
        if is_allowed { Self::Allowed } else { Self::Forbidden }
    }
}

/// A builder of a store that can tell whether it was given credentials. The conditions follow the order in which the
/// library looks for them.
pub(crate) trait HasCredentials {
    /// Whether the store would work without asking a metadata address that nobody named.
    fn has_credentials(&self) -> bool;
}

impl HasCredentials for AmazonS3Builder {
    fn has_credentials(&self) -> bool {
        use AmazonS3ConfigKey as Key;
        let is_set = |key: Key| self.get_config_value(&key).is_some_and(|value| !value.is_empty());
        is_set(Key::AccessKeyId)
            || is_set(Key::SecretAccessKey)
            || (is_set(Key::WebIdentityTokenFile) && is_set(Key::RoleArn))
            || is_set(Key::ContainerCredentialsRelativeUri)
            || (is_set(Key::ContainerCredentialsFullUri) && is_set(Key::ContainerAuthorizationTokenFile))
            || is_true(self.get_config_value(&Key::SkipSignature))
    }
}

impl HasCredentials for GoogleCloudStorageBuilder {
    fn has_credentials(&self) -> bool {
        use GoogleConfigKey as Key;
        /// Where `gcloud auth application-default login` writes; the library reads it without being told to.
        const DEFAULT_CREDENTIALS_PATH: &str = ".config/gcloud/application_default_credentials.json";
        let is_set = |key: Key| self.get_config_value(&key).is_some_and(|value| !value.is_empty());
        is_set(Key::ServiceAccount)
            || is_set(Key::ServiceAccountKey)
            || is_set(Key::ApplicationCredentials)
            || is_set(Key::BearerToken)
            || is_true(self.get_config_value(&Key::SkipSignature))
            || std::env::home_dir().is_some_and(|home| home.join(DEFAULT_CREDENTIALS_PATH).exists())
    }
}

impl HasCredentials for MicrosoftAzureBuilder {
    fn has_credentials(&self) -> bool {
        use AzureConfigKey as Key;
        let is_set = |key: Key| self.get_config_value(&key).is_some_and(|value| !value.is_empty());
        is_set(Key::AccessKey)
            || is_set(Key::Token)
            || is_set(Key::SasKey)
            || is_set(Key::ClientSecret)
            || is_set(Key::FederatedTokenFile)
            || is_set(Key::FabricSessionToken)
            || is_true(self.get_config_value(&Key::UseAzureCli))
            || is_true(self.get_config_value(&Key::UseEmulator))
            || is_true(self.get_config_value(&Key::SkipSignature))
    }
}

fn is_true(value: Option<String>) -> bool {
    value.is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "on" | "yes" | "y"))
}
