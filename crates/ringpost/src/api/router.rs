//! From a peer's code for a name to the handler and the listeners of that name.

use std::collections::{HashMap, HashSet};

use ipc_core::{Lane, LinkId, Message, route};

/// Handlers by name, one for each, and listeners, any number; and per link what its peer's codes
/// mean.
pub(crate) struct Router<H> {
    handlers: Vec<H>,
    by_name: HashMap<Box<str>, usize>,
    listeners: Vec<Vec<Listener<H>>>,
    listened: HashMap<Box<str>, usize>,
    subscriptions: u64,
    /// Names whose payloads may come compressed.
    packed: HashSet<Box<str>>,
    /// By the place of a link in its engine, and there by the route of a message; the id says which
    /// link has the place now.
    links: Vec<Option<(LinkId, Vec<Option<Route>>)>>,
}

/// A listener, to be passed to `off`.
///
/// ```
/// # use ringpost::Subscription;
/// # use ringpost::blocking::Client;
/// # fn example(client: &mut Client) {
/// let ticks: Subscription = client.on("tick", |_| println!("tick"));
/// client.off(ticks);
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subscription(u64);

/// A listener of a name.
pub(crate) struct Listener<H> {
    subscription: Subscription,
    /// To the next message only.
    pub once: bool,
    pub handler: H,
}

struct Route {
    name: Box<str>,
    handler: Option<usize>,
    listeners: Option<usize>,
}

impl<H> Router<H> {
    pub fn new() -> Self {
        Self {
            handlers: Vec::new(),
            by_name: HashMap::new(),
            listeners: Vec::new(),
            listened: HashMap::new(),
            subscriptions: 0,
            packed: HashSet::new(),
            links: Vec::new(),
        }
    }

    /// Sets the handler of a name, also for peers that have used the name before. Returns the one
    /// it had.
    pub fn handle(&mut self, name: &str, handler: H) -> Option<H> {
        if let Some(&index) = self.by_name.get(name) {
            return Some(std::mem::replace(&mut self.handlers[index], handler));
        }
        let index = self.handlers.len();
        self.handlers.push(handler);
        self.by_name.insert(name.into(), index);
        self.routes_of(name).for_each(|route| route.handler = Some(index));
        None
    }

    /// Adds a listener.
    pub fn listen(&mut self, name: &str, once: bool, handler: H) -> Subscription {
        self.subscriptions += 1;
        let subscription = Subscription(self.subscriptions);
        let index = self.listened.get(name).copied().unwrap_or_else(|| {
            let index = self.listeners.len();
            self.listeners.push(Vec::new());
            self.listened.insert(name.into(), index);
            self.routes_of(name).for_each(|route| route.listeners = Some(index));
            index
        });
        self.listeners[index].push(Listener { subscription, once, handler });
        subscription
    }

    /// One listens no more. Returns what was called.
    pub fn stop_listening(&mut self, subscription: Subscription) -> Option<H> {
        self.listeners.iter_mut().find_map(|listeners| {
            let is_it = |listener: &Listener<H>| listener.subscription == subscription;
            let place = listeners.iter().position(is_it)?;
            Some(listeners.remove(place).handler)
        })
    }

    /// Payloads of this name may come compressed.
    pub fn accept_packed(&mut self, name: &str) {
        self.packed.insert(name.into());
    }

    /// Whether payloads of this name may come compressed.
    pub fn accepts_packed(&self, name: &str) -> bool {
        self.packed.contains(name)
    }

    /// The listeners of a message's name, in the order in which they were added.
    #[inline]
    pub fn listeners(&mut self, link: LinkId, message: &Message) -> Option<&mut Vec<Listener<H>>> {
        let index = self.route(link, message)?.listeners?;
        self.listeners.get_mut(index)
    }

    fn routes_of(&mut self, name: &str) -> impl Iterator<Item = &mut Route> {
        let routes = self.links.iter_mut().flatten().flat_map(|(_, routes)| routes).flatten();
        routes.filter(move |route| *route.name == *name)
    }

    /// Removes all handlers and listeners.
    #[cfg(feature = "tokio")]
    pub fn clear(&mut self) -> Vec<H> {
        self.by_name.clear();
        let routes = self.links.iter_mut().flatten().flat_map(|(_, routes)| routes).flatten();
        routes.for_each(|route| (route.handler, route.listeners) = (None, None));
        self.listened.clear();
        let listeners = std::mem::take(&mut self.listeners).into_iter().flatten();
        let mut all = std::mem::take(&mut self.handlers);
        all.extend(listeners.map(|listener| listener.handler));
        all
    }

    /// The peer of a link will use `code` for `name` in this lane.
    pub fn named(&mut self, link: LinkId, lane: Lane, code: u16, name: Box<str>) {
        let place = place(link);
        if place >= self.links.len() {
            self.links.resize_with(place + 1, || None);
        }
        let entry = &mut self.links[place];
        if entry.as_ref().is_none_or(|(id, _)| *id != link) {
            *entry = Some((link, Vec::new()));
        }
        let Some((_, routes)) = entry else { return };
        let route = route(lane, code);
        if route >= routes.len() {
            routes.resize_with(route + 1, || None);
        }
        let handler = self.by_name.get(&name).copied();
        let listeners = self.listened.get(&name).copied();
        routes[route] = Some(Route { name, handler, listeners });
    }

    /// A link is over: its peer's codes mean nothing any more.
    pub fn forget(&mut self, link: LinkId) {
        if let Some(entry) = self.links.get_mut(place(link))
            && entry.as_ref().is_some_and(|(id, _)| *id == link)
        {
            *entry = None;
        }
    }

    /// The handler of what a message is called.
    #[inline]
    pub fn handler(&mut self, link: LinkId, message: &Message) -> Option<&mut H> {
        let index = self.route(link, message)?.handler?;
        self.handlers.get_mut(index)
    }

    /// The name of a message.
    pub fn name(&self, link: LinkId, message: &Message) -> Option<&str> {
        self.route(link, message).map(|route| &*route.name)
    }

    #[inline]
    fn route(&self, link: LinkId, message: &Message) -> Option<&Route> {
        match self.links.get(place(link))? {
            Some((id, routes)) if *id == link => routes.get(message.route())?.as_ref(),
            _ => None,
        }
    }
}

fn place(link: LinkId) -> usize {
    link.place()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc_core::Kind;

    const LANE: Lane = Lane::Normal;

    fn message(code: u16) -> Message {
        Message { kind: Kind::OneWay, code, ..Message::NONE }
    }

    #[test]
    fn a_name_has_any_number_of_listeners_before_and_after_it_is_known() {
        let (mut router, link) = (Router::new(), LinkId(3));
        let first = router.listen("tick", false, "a");
        router.named(link, LANE, 7, "tick".into());
        router.listen("tick", true, "b");
        router.listen("tock", false, "c");
        let heard = |router: &mut Router<&'static str>| -> Vec<_> {
            let listeners = router.listeners(link, &message(7)).into_iter().flatten();
            listeners.map(|listener| listener.handler).collect()
        };
        assert_eq!(heard(&mut router), ["a", "b"]);
        assert_eq!(router.handler(link, &message(7)), None);
        assert_eq!(router.stop_listening(first), Some("a"));
        assert_eq!(router.stop_listening(first), None);
        assert_eq!(heard(&mut router), ["b"]);
    }

    #[test]
    fn handlers_come_and_go_independently_of_names() {
        let mut router = Router::new();
        let (first, second) = (LinkId(3), LinkId(1 << 16 | 3));
        router.named(first, LANE, 2, "echo".into());
        assert_eq!(router.handler(first, &message(2)), None);
        router.handle("echo", "a");
        assert_eq!(router.handler(first, &message(2)), Some(&mut "a"));
        router.handle("echo", "b");
        router.named(second, LANE, 0, "echo".into());
        assert_eq!(router.handler(second, &message(0)), Some(&mut "b"));
        assert_eq!(router.handler(first, &message(2)), None);
        router.forget(first);
        assert_eq!(router.handler(second, &message(0)), Some(&mut "b"));
        router.forget(second);
        assert_eq!(router.handler(second, &message(0)), None);
    }

    #[test]
    fn a_code_means_something_else_in_another_lane_and_once_it_is_defined_anew() {
        let (mut router, link) = (Router::new(), LinkId(3));
        router.handle("echo", "a");
        router.handle("shout", "b");
        router.named(link, LANE, 0, "echo".into());
        router.named(link, Lane::High, 0, "shout".into());
        let high = Message { lane: Lane::High, ..message(0) };
        assert_eq!(router.handler(link, &message(0)), Some(&mut "a"));
        assert_eq!(router.handler(link, &high), Some(&mut "b"));
        router.named(link, LANE, 0, "shout".into());
        assert_eq!(router.handler(link, &message(0)), Some(&mut "b"));
        assert_eq!(router.name(link, &message(0)), Some("shout"));
    }
}
