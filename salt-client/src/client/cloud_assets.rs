//! Cloud assets: the gateways, clusters and functions that Cloud Connect has discovered.

use appsec_core::{BoxStream, Error, ErrorKind, Result, stream_error};
use appsec_http::{Path, Request};

use super::list_query::ListQuery;
use super::salt_client::SaltClient;
use crate::model::{CloudAsset, Page, Strict, asset_key};

const LIST_ASSETS: &str = "salt: list cloud assets";
const GET_ASSET: &str = "salt: get cloud asset";

/// The largest page of cloud assets, according to the vendor's own code.
const MAX_ASSETS: u32 = 1000;

fn assets_request(query: &ListQuery) -> Request {
    query.to_request(LIST_ASSETS, "/v1/cloud-connect/cloud-assets")
}

/// # Errors
/// `InvalidRequest` for a limit that the service does not accept for cloud assets.
fn check_limit(query: &ListQuery) -> Result<()> {
    if (1..=MAX_ASSETS).contains(&query.limit()) {
        return Ok(());
    }
    let message = format!("the limit of a page of cloud assets must be 1 to {MAX_ASSETS}");
    Err(Error::new(ErrorKind::InvalidRequest, message).with_operation(LIST_ASSETS))
}

fn asset_request(id: &str) -> Result<Request> {
    let path = Path::new("/v1/cloud-connect/cloud-assets/asset").join(id);
    Ok(Request::get(GET_ASSET, path.map_err(|error| error.with_operation(GET_ASSET))?))
}

impl SaltClient {
    /// Lists one page of the assets that Cloud Connect has discovered, 1 to 1000 of them.
    ///
    /// **Confirmed**: path, envelope, names of the fields. **Likely**: the bounds of a page.
    /// **Speculative**: that an empty page ends the list.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps); `InvalidRequest` for a limit out of bounds, before anything is
    /// sent.
    pub async fn list_cloud_assets(&self, query: &ListQuery) -> Result<Page<CloudAsset>> {
        check_limit(query)?;
        Ok(self.page(&assets_request(query), query.limit()).await?.typed())
    }

    /// Streams the cloud assets page by page.
    pub fn cloud_assets(&self, query: ListQuery) -> BoxStream<'static, Result<Page<CloudAsset>>> {
        match check_limit(&query) {
            Ok(()) => self.list(query, asset_key, assets_request),
            Err(error) => stream_error(error),
        }
    }

    /// Gets one cloud asset, with fields that a list does not have.
    ///
    /// **Confirmed**: path and names of the fields. **Likely**: 404 for an unknown id.
    ///
    /// # Errors
    /// As [`list_gaps`](Self::list_gaps); `NotFound` for an unknown id, `InvalidRequest` for an id that no
    /// path can hold.
    pub async fn get_cloud_asset(&self, id: &str) -> Result<CloudAsset> {
        let Strict(asset) = self.http().json(&asset_request(id)?).await?;
        let decoded = serde_json::from_value(asset);
        decoded.map_err(|_| Error::new(ErrorKind::Decode, "expected an object").with_operation(GET_ASSET))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::list_query::tests::describe;

    #[test]
    fn a_page_of_cloud_assets_is_limited_to_a_thousand() {
        let list = ListQuery::new().with_limit(1000);
        assert_eq!(
            describe(&assets_request(&list)),
            "GET /v1/cloud-connect/cloud-assets?limit=1000&offset=0"
        );
        for (limit, accepted) in [(0, false), (1, true), (1000, true), (1001, false)] {
            assert_eq!(check_limit(&ListQuery::new().with_limit(limit)).is_ok(), accepted, "{limit}");
        }
        let one = asset_request("68c1a0e8000000000000abcd").unwrap();
        assert_eq!(describe(&one), "GET /v1/cloud-connect/cloud-assets/asset/68c1a0e8000000000000abcd?");
        assert_eq!(
            asset_request("a/b").unwrap().path().as_str(),
            "/v1/cloud-connect/cloud-assets/asset/a%2Fb"
        );
        for id in ["", "..", "a\n"] {
            let error = asset_request(id).unwrap_err();
            assert_eq!(
                (error.kind(), error.operation()),
                (ErrorKind::InvalidRequest, Some(GET_ASSET)),
                "{id:?}"
            );
        }
    }
}
