//! The fakes of all vendors, and the options for their ports.

use std::io;
use std::net::{IpAddr, SocketAddr};

use clap::{Arg, ArgMatches, Command, value_parser};

use crate::vendors::{Fake, FakeData, VENDORS, Vendor};

/// A running fake of each vendor.
#[derive(Debug)]
pub(super) struct Fakes(Vec<(&'static Vendor, Box<dyn Fake>)>);

impl Fakes {
    pub(super) async fn start(data: FakeData, listen: IpAddr, ports: &FakePorts) -> io::Result<Self> {
        let mut fakes = Vec::new();
        for (vendor, port) in VENDORS.into_iter().zip(ports.0) {
            fakes.push((vendor, (vendor.start_fake)(data, SocketAddr::new(listen, port)).await?));
        }
        Ok(Self(fakes))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static Vendor, &dyn Fake)> {
        self.0.iter().map(|(vendor, fake)| (*vendor, &**fake))
    }
}

/// The ports of the fakes, in the order of [`VENDORS`]: one option for each vendor.
#[derive(Debug, Clone)]
pub(super) struct FakePorts([u16; VENDORS.len()]);

impl clap::FromArgMatches for FakePorts {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let port = |vendor: &Vendor| matches.get_one(vendor.port_option).copied().unwrap_or_default();
        Ok(Self(VENDORS.map(port)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for FakePorts {
    fn augment_args(command: Command) -> Command {
        command.args(VENDORS.map(|vendor| {
            Arg::new(vendor.port_option)
                .long(vendor.port_option)
                .value_name("PORT")
                .default_value("0")
                .value_parser(value_parser!(u16))
                .help(format!("The port of the fake of {}; 0 for any free port", vendor.name))
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}
