//! Scripted replies.

/// When a scripted reply is given, counted in calls to its route since the script was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// Once, after this many calls with the usual response.
    After(u64),
    /// To the next calls, this many.
    Next(u64),
    /// To every call.
    Always,
    /// To every call after this many with the usual response.
    AlwaysAfter(u64),
}

impl When {
    fn fires(self, calls_before: u64) -> bool {
        match self {
            Self::After(calls) => calls_before == calls,
            Self::Next(calls) => calls_before < calls,
            Self::Always => true,
            Self::AlwaysAfter(calls) => calls_before >= calls,
        }
    }
}

/// The operations of a service, one of which stands for all of them, and one for none.
pub trait FakeRoute: Copy + PartialEq {
    /// Every operation.
    const ANY: Self;
    /// A request that calls no operation.
    const UNKNOWN: Self;

    /// Whether a script for this route applies to a call to the other.
    fn covers(self, called: Self) -> bool {
        self == called || self == Self::ANY
    }
}

/// The scripted replies.
#[derive(Debug)]
pub struct Scripts<R, A> {
    scripts: Vec<Script<R, A>>,
    /// The number of requests that still pass, and the reply to those after.
    up_for: Option<(u64, A)>,
}

#[derive(Debug)]
struct Script<R, A> {
    route: R,
    /// The placeholder of the path, by its number, that must have this value.
    param: Option<(usize, String)>,
    when: When,
    reply: A,
    seen: u64,
}

impl<R, A> Default for Scripts<R, A> {
    fn default() -> Self {
        Self { scripts: Vec::new(), up_for: None }
    }
}

impl<R: FakeRoute, A: Clone> Scripts<R, A> {
    /// Scripts a reply.
    pub fn script(&mut self, route: R, when: When, reply: A) {
        self.scripts.push(Script { route, param: None, when, reply, seen: 0 });
    }

    /// Scripts a reply to calls whose n-th placeholder of the path has this value. Only these are counted.
    pub fn script_param(&mut self, route: R, param: (usize, String), when: When, reply: A) {
        self.scripts.push(Script { route, param: Some(param), when, reply, seen: 0 });
    }

    /// Lets this many requests pass, to any route, and gives the reply to each one after.
    pub fn down_after(&mut self, requests: u64, reply: A) {
        self.up_for = Some((requests, reply));
    }

    /// Removes all scripts.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the reply to this call with these values of the path's placeholders, or `None` for the usual
    /// response. The script set first wins, and all of them count the call.
    pub fn pick(&mut self, route: R, params: &[String]) -> Option<A> {
        if let Some((left, reply)) = &mut self.up_for {
            match left.checked_sub(1) {
                Some(fewer) => *left = fewer,
                None => return Some(reply.clone()),
            }
        }
        let mut picked = None;
        let applies = |script: &&mut Script<R, A>| {
            let param = script.param.as_ref();
            script.route.covers(route) && param.is_none_or(|(index, value)| params.get(*index) == Some(value))
        };
        for script in self.scripts.iter_mut().filter(applies) {
            let fires = script.when.fires(script.seen);
            script.seen += 1;
            if fires && picked.is_none() {
                picked = Some(script.reply.clone());
            }
        }
        picked
    }
}
