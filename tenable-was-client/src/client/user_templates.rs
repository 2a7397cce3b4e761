//! User templates. The API has no operation to create one.

use appsec_http::{ListedPage, Path, RecordKey, Request, Result};
use futures_core::stream::BoxStream;
use serde_json::Value;

use super::{Order, PageQuery, TenableWasClient, pages};
use crate::filter::{Filter, UserTemplateField};
use crate::model::{Page, Unwrapped, UserTemplate, UserTemplateId, UserTemplateUpdate};

const USER_TEMPLATES: &str = "/was/v2/user-templates";

fn one(id: UserTemplateId) -> Result<Path> {
    Path::new(USER_TEMPLATES).join(&id.to_string())
}

pub(super) fn search(filter: &Filter<UserTemplateField>, page: &PageQuery) -> Result<Request> {
    let path = Path::new(USER_TEMPLATES).join("search")?;
    pages::search("tenable: search user templates", path, filter, page)
}

pub(super) fn get(id: UserTemplateId) -> Result<Request> {
    Ok(Request::get("tenable: get user template", one(id)?))
}

pub(super) fn update(id: UserTemplateId, update: &UserTemplateUpdate) -> Result<Request> {
    Request::put("tenable: update user template", one(id)?).with_json(update)
}

pub(super) fn delete(id: UserTemplateId) -> Result<Request> {
    Ok(Request::delete("tenable: delete user template", one(id)?))
}

impl TenableWasClient {
    /// Searches user templates. Requires the role Scan Operator. The response does not contain their
    /// settings.
    ///
    /// # Errors
    /// `PermissionDenied` below that role; those of [`search_configs`](Self::search_configs).
    pub async fn search_user_templates(
        &self,
        filter: &Filter<UserTemplateField>,
        page: &PageQuery,
    ) -> Result<Page<UserTemplate>> {
        let page: Page<Unwrapped<UserTemplate>> = self.page(&search(filter, page)?).await?;
        Ok(page.map(|template| template.0))
    }

    /// Reads a user template with its settings. Requires the role Scan Operator.
    ///
    /// # Errors
    /// `NotFound`; `PermissionDenied` below that role; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn get_user_template(&self, id: UserTemplateId) -> Result<UserTemplate> {
        self.http().json::<Unwrapped<_>>(&get(id)?).await.map(|template| template.0)
    }

    /// Replaces all of a user template; [`UserTemplateUpdate::from_template`] starts from the current one.
    /// Requires the role Scan Manager.
    ///
    /// The service only queues the update, so the old template may be visible for a while. Returns the
    /// template if the response contains it; the vendor documents no example.
    ///
    /// # Errors
    /// `InvalidRequest` for a template that the service refuses; `PermissionDenied` below that role; those
    /// of every call, as for [`search_configs`](Self::search_configs).
    pub async fn update_user_template(
        &self,
        id: UserTemplateId,
        template: &UserTemplateUpdate,
    ) -> Result<Option<UserTemplate>> {
        let response: Value = self.http().json(&update(id, template)?).await?;
        // The update was accepted: a response without a template is not a failure.
        Ok(serde_json::from_value::<Unwrapped<_>>(response).ok().map(|template| template.0))
    }

    /// Deletes a user template. Requires the role Scan Manager. The service only queues the deletion.
    ///
    /// # Errors
    /// `Conflict` while a configuration uses it, whose id is the
    /// [`conflicting_id`](appsec_core::Error::conflicting_id); `NotFound`; `PermissionDenied` below that
    /// role; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn delete_user_template(&self, id: UserTemplateId) -> Result<()> {
        self.http().send(&delete(id)?).await.map(|_| ())
    }

    /// Streams the user templates that match a filter, page by page, each once, oldest first.
    pub fn user_templates(
        &self,
        filter: impl Into<Filter<UserTemplateField>>,
    ) -> BoxStream<'static, Result<ListedPage<UserTemplate>>> {
        let filter = filter.into();
        let first = PageQuery::new().with_sort(Order::asc("created_at"));
        let key = |template: &Unwrapped<UserTemplate>| RecordKey::Id(template.0.user_template_id.to_string());
        pages::pages(self, first, key, move |page| search(&filter, page))
    }
}

#[cfg(test)]
mod tests {
    use appsec_http::RetrySafety;
    use serde_json::json;

    use super::*;

    const ID: &str = "aaaabbbb-cccc-4ddd-8eee-ffff00001111";

    #[test]
    fn requests_match_the_document() {
        let id: UserTemplateId = ID.parse().unwrap();
        let settings = serde_json::from_value(json!({"timeout": "08:00:00"})).unwrap();
        let template = UserTemplateUpdate::new("a", ID, ID.parse().unwrap(), settings);
        let body = format!(
            r#"{{"name":"a","owner_id":"{ID}","default_permissions":"no_access","results_visibility":"dashboard","permissions":[],"template_id":"{ID}","settings":{{"timeout":"08:00:00"}}}}"#
        );
        let one = format!("{USER_TEMPLATES}/{ID}");
        let everything = Filter::everything();
        for (request, method, path, body, repeat) in [
            (
                search(&everything, &PageQuery::new()),
                "POST",
                "/was/v2/user-templates/search",
                Some("{}"),
                RetrySafety::Always,
            ),
            (get(id), "GET", &*one, None, RetrySafety::Always),
            (update(id, &template), "PUT", &one, Some(&*body), RetrySafety::IfUnsent),
            (delete(id), "DELETE", &one, None, RetrySafety::IfUnsent),
        ] {
            let request = request.unwrap();
            assert_eq!((request.method().as_str(), request.path().as_str()), (method, path));
            assert_eq!(request.body().map(AsRef::as_ref), body.map(str::as_bytes), "{method}");
            assert_eq!(request.retry_safety(), repeat, "{method}");
        }
    }
}
