//! Creating and replacing configurations: completed, sent, and waited for.

use appsec_core::{Error, ErrorKind, Result, eq_ignore_case_and_separators};
use futures_util::TryStreamExt;

use crate::TenableWasClient;
use crate::model::{
    AcceptedConfig, ConfigId, ConfigTracking, ScanConfig, TemplateChoice, TemplateId, TrackingStatus,
};

impl TenableWasClient {
    /// Completes a configuration. A missing owner becomes the user of the API keys, and a template's name
    /// becomes its id, which needs the role Standard. If nothing is missing, no request is sent.
    ///
    /// # Errors
    /// `InvalidRequest`, before a request is sent, for what the service would refuse; `NotFound` if no
    /// template has the name; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn complete_config(&self, mut config: ScanConfig) -> Result<ScanConfig> {
        config.check()?;
        if config.owner_id.is_none() {
            let user = self.get_session().await?.uuid.ok_or_else(|| {
                Error::new(ErrorKind::Decode, "the session does not name its user: set the owner")
                    .with_operation("tenable: get session")
                    .with_path("uuid")
            })?;
            config.owner_id = Some(user);
        }
        if let Some(name) = config.template_name() {
            config.template = TemplateChoice::Id(self.template_by_name(name).await?);
        }
        Ok(config)
    }

    /// Returns the template with the name. Case, `_`, `-` and blanks are ignored.
    async fn template_by_name(&self, name: &str) -> Result<TemplateId> {
        let mut names = Vec::new();
        let mut first_gap = None;
        let mut pages = self.templates();
        while let Some(page) = pages.try_next().await? {
            first_gap = first_gap.or(page.gaps.into_iter().next());
            for template in page.records {
                match template.name {
                    Some(known) if eq_ignore_case_and_separators(&known, name) => {
                        return Ok(template.template_id);
                    }
                    known => names.extend(known),
                }
            }
        }
        let message = format!("no template is named {name:?}; the templates are: {}", names.join(", "));
        let error = match first_gap {
            None => Error::new(ErrorKind::NotFound, message),
            // The template may be among what the list lacks.
            Some(gap) => Error::new(ErrorKind::Unexpected, format!("{message}; the list has a gap: {gap}"))
                .with_gap(gap),
        };
        Err(error.with_path("template_id"))
    }

    /// Completes and creates a configuration, and waits until the service has written it. Needs the role
    /// Scan Manager.
    ///
    /// ```no_run
    /// use tenable_was_client::TenableWasClient;
    /// use tenable_was_client::model::ScanConfig;
    ///
    /// # async fn example(client: TenableWasClient) -> tenable_was_client::Result<()> {
    /// let config = ScanConfig::for_url("https://shop.example.com").with_template("quick");
    /// let id = client.create_scan_config(config).await?;
    /// let scan = client.launch_scan(id).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`complete_config`](Self::complete_config), [`create_config`](Self::create_config) and
    /// [`wait_for_config`](Self::wait_for_config).
    pub async fn create_scan_config(&self, config: ScanConfig) -> Result<ConfigId> {
        let config = self.complete_config(config).await?;
        self.wait_until_written(self.create_config(&config).await?).await
    }

    /// Replaces a configuration, in the same way as [`create_scan_config`](Self::create_scan_config)
    /// creates one. To change a part of it, start with [`ScanConfig::from_details`] the result of
    /// [`get_config`](Self::get_config).
    ///
    /// # Errors
    /// Those of [`create_scan_config`](Self::create_scan_config).
    pub async fn update_scan_config(&self, id: ConfigId, config: ScanConfig) -> Result<()> {
        let config = self.complete_config(config).await?;
        self.wait_until_written(self.upsert_config(id, &config).await?).await.map(|_| ())
    }

    /// Waits until an accepted configuration is written, and returns its id.
    async fn wait_until_written(&self, accepted: AcceptedConfig) -> Result<ConfigId> {
        let id = accepted.tracking.map(|change| change.config_id).or(accepted.config.config_id);
        let id = id.ok_or_else(|| {
            Error::new(ErrorKind::Decode, "the configuration was accepted, but the response does not name it")
                .with_outcome_unknown(true)
                .with_path("config_id")
        })?;
        match accepted.tracking {
            Some(change) => self.wait_for_config(&change).await?,
            None => self.wait_until_visible(id).await?,
        }
        Ok(id)
    }

    /// Waits until the service has made a change to a configuration. The builder's
    /// [`with_waits`](crate::TenableWasClientBuilder::with_waits) bounds the wait.
    ///
    /// # Errors
    /// `Server` if the service fails to make the change, for which it gives no reason; `Deadline` if it
    /// takes too long, after which the change may still be made; those of every call, as for
    /// [`search_configs`](Self::search_configs).
    pub async fn wait_for_config(&self, change: &ConfigTracking) -> Result<()> {
        let mut wait = self.wait();
        loop {
            match self.get_config_status(change).await {
                Ok(TrackingStatus::Completed) => return Ok(()),
                Ok(TrackingStatus::Failed) => {
                    let message = format!(
                        "the service accepted configuration {} and then failed to write it; it gives no reason",
                        change.config_id
                    );
                    return Err(Error::new(ErrorKind::Server, message).with_retryable(false));
                }
                // The vendor's documentation spells it this way.
                Ok(TrackingStatus::Unknown(status)) if eq_ignore_case_and_separators(&status, "complete") => {
                    return Ok(());
                }
                Ok(TrackingStatus::Processing | TrackingStatus::Unknown(_)) => {}
                Err(error) => wait.tolerate(error)?,
            }
            wait.pause(|| format!("configuration {} was not written", change.config_id)).await?;
        }
    }

    async fn wait_until_visible(&self, id: ConfigId) -> Result<()> {
        let mut wait = self.wait();
        while let Err(error) = self.get_config(id).await {
            wait.tolerate(error)?;
            wait.pause(|| format!("configuration {id} did not become visible")).await?;
        }
        Ok(())
    }
}
