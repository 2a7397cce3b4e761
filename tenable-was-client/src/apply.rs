//! Configurations as people make them: filled in, sent, and waited for.

use appsec_core::{Error, ErrorKind, Result, same_word};
use futures_util::TryStreamExt;

use crate::TenableWasClient;
use crate::model::{
    AcceptedConfig, ConfigId, ConfigTracking, ScanConfig, TemplateChoice, TemplateId, TrackingStatus,
};

impl TenableWasClient {
    /// Fills in what a configuration leaves open: the owner, who is the user whose keys are used, and the id of its template. The latter needs
    /// the role Standard. Nothing is asked for that is not needed.
    ///
    /// # Errors
    /// `InvalidRequest`, before anything is sent, for what the service would refuse; `NotFound` where no template has that name; those of
    /// every call, as for [`search_configs`](Self::search_configs).
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

    /// The template of that name; case, `_`, `-` and blanks are of no matter.
    async fn template_by_name(&self, name: &str) -> Result<TemplateId> {
        let mut names = Vec::new();
        let mut pages = self.templates();
        while let Some(page) = pages.try_next().await? {
            for template in page {
                match template.name {
                    Some(known) if same_word(&known, name) => return Ok(template.template_id),
                    known => names.extend(known),
                }
            }
        }
        let message = format!("no template is called {name:?}; there are: {}", names.join(", "));
        Err(Error::new(ErrorKind::NotFound, message).with_path("template_id"))
    }

    /// Makes a configuration, with what it leaves open filled in, and waits until the service has written it. Needs the role Scan Manager.
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
        self.written(self.create_config(&config).await?).await
    }

    /// Replaces a configuration, as [`create_scan_config`](Self::create_scan_config) makes one. To change some of it, begin with
    /// [`ScanConfig::from_details`] what [`get_config`](Self::get_config) gives.
    ///
    /// # Errors
    /// Those of [`create_scan_config`](Self::create_scan_config).
    pub async fn update_scan_config(&self, id: ConfigId, config: ScanConfig) -> Result<()> {
        let config = self.complete_config(config).await?;
        self.written(self.upsert_config(id, &config).await?).await.map(|_| ())
    }

    /// Waits until a configuration that was accepted is written, and gives its id.
    async fn written(&self, accepted: AcceptedConfig) -> Result<ConfigId> {
        let id = accepted.tracking.map(|change| change.config_id).or(accepted.config.config_id);
        let id = id.ok_or_else(|| {
            Error::new(ErrorKind::Decode, "the configuration was accepted, and the answer does not name it")
                .with_outcome_unknown(true)
                .with_path("config_id")
        })?;
        match accepted.tracking {
            Some(change) => self.wait_for_config(&change).await?,
            None => self.wait_until_visible(id).await?,
        }
        Ok(id)
    }

    /// Waits until the service has made a change to a configuration, as the builder's
    /// [`with_waits`](crate::TenableWasClientBuilder::with_waits) says.
    ///
    /// # Errors
    /// `Server` where the service gives the change up, of which it does not say why; `Deadline` where it takes too long, after which it may still
    /// be made; those of every call, as for [`search_configs`](Self::search_configs).
    pub async fn wait_for_config(&self, change: &ConfigTracking) -> Result<()> {
        let mut wait = self.wait();
        loop {
            match self.get_config_status(change).await {
                Ok(TrackingStatus::Completed) => return Ok(()),
                Ok(TrackingStatus::Failed) => {
                    let message = format!(
                        "the service accepted configuration {} and then failed to write it; it does not say why",
                        change.config_id
                    );
                    return Err(Error::new(ErrorKind::Server, message).with_retryable(false));
                }
                // The vendor's own text has this word for it.
                Ok(TrackingStatus::Unknown(word)) if same_word(&word, "complete") => return Ok(()),
                Ok(TrackingStatus::Processing | TrackingStatus::Unknown(_)) => {}
                Err(error) => wait.ride_out(error)?,
            }
            wait.pause(|| format!("configuration {} was not written", change.config_id)).await?;
        }
    }

    async fn wait_until_visible(&self, id: ConfigId) -> Result<()> {
        let mut wait = self.wait();
        while let Err(error) = self.get_config(id).await {
            wait.ride_out(error)?;
            wait.pause(|| format!("configuration {id} did not show")).await?;
        }
        Ok(())
    }
}
