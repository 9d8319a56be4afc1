//! Which cluster this is.

use crate::config::{self, Config, RecordKind};
use crate::kubernetes::{Error, Kubernetes};

/// The id under which this configuration's cluster is known: `cluster.id`, else from the record's URL. A ConfigMap's
/// namespace counts by its UID, as another cluster may well have one of the same name.
///
/// # Errors
/// If the namespace can't be read.
pub async fn id(config: &Config, kubernetes: Option<&Kubernetes>) -> Result<String, Error> {
    match (&config.cluster.id, config.record.kind(), kubernetes) {
        (Some(id), ..) => Ok(id.clone()),
        (None, RecordKind::ConfigMap { namespace, name }, Some(kubernetes)) => {
            let namespace = match namespace {
                Some(namespace) => namespace.clone(),
                None => kubernetes.namespace().await?,
            };
            let uid = kubernetes.namespace_uid(&namespace).await?;
            Ok(config::default_cluster_id(&format!("configmap://{uid}/{name}")))
        }
        (None, ..) => Ok(config::default_cluster_id(config.record.as_str())),
    }
}
