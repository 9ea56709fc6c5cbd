//! From a peer's code for a name to the handler of that name, and to those who listen to it.

use std::collections::HashMap;

use crate::engine::LinkId;

/// Handlers by name, one for each, and listeners, any number; and per link what its peer's codes mean.
pub(crate) struct Router<H> {
    handlers: Vec<H>,
    by_name: HashMap<Box<str>, usize>,
    listeners: Vec<Vec<Listener<H>>>,
    listened: HashMap<Box<str>, usize>,
    subscriptions: u64,
    /// By the place of a link in its engine; the id says whose it is now.
    links: Vec<Option<(LinkId, Vec<Option<Route>>)>>,
}

/// One who listens to one-way messages of a name, as what stops it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Subscription(u64);

/// One who listens.
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

    /// One more listens to a name.
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

    /// Who listens to a peer's code, in the order in which they came.
    #[inline]
    pub fn listeners(&mut self, link: LinkId, code: u16) -> Option<&mut Vec<Listener<H>>> {
        let index = self.route(link, code)?.listeners?;
        self.listeners.get_mut(index)
    }

    fn routes_of(&mut self, name: &str) -> impl Iterator<Item = &mut Route> {
        let routes = self.links.iter_mut().flatten().flat_map(|(_, routes)| routes).flatten();
        routes.filter(move |route| *route.name == *name)
    }

    /// Takes all handlers away.
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

    /// The peer of a link will use `code` for `name`.
    pub fn named(&mut self, link: LinkId, code: u16, name: Box<str>) {
        let place = place(link);
        if place >= self.links.len() {
            self.links.resize_with(place + 1, || None);
        }
        let entry = &mut self.links[place];
        if entry.as_ref().is_none_or(|(id, _)| *id != link) {
            *entry = Some((link, Vec::new()));
        }
        let Some((_, routes)) = entry else { return };
        if usize::from(code) >= routes.len() {
            routes.resize_with(usize::from(code) + 1, || None);
        }
        let handler = self.by_name.get(&name).copied();
        let listeners = self.listened.get(&name).copied();
        routes[usize::from(code)] = Some(Route { name, handler, listeners });
    }

    /// A link is over: its peer's codes mean nothing any more.
    pub fn forget(&mut self, link: LinkId) {
        if let Some(entry) = self.links.get_mut(place(link))
            && entry.as_ref().is_some_and(|(id, _)| *id == link)
        {
            *entry = None;
        }
    }

    /// The handler of a peer's code.
    #[inline]
    pub fn handler(&mut self, link: LinkId, code: u16) -> Option<&mut H> {
        let index = self.route(link, code)?.handler?;
        self.handlers.get_mut(index)
    }

    /// What a peer calls its code.
    pub fn name(&self, link: LinkId, code: u16) -> Option<&str> {
        self.route(link, code).map(|route| &*route.name)
    }

    #[inline]
    fn route(&self, link: LinkId, code: u16) -> Option<&Route> {
        match self.links.get(place(link))? {
            Some((id, routes)) if *id == link => routes.get(usize::from(code))?.as_ref(),
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

    #[test]
    fn any_number_listens_to_a_name_known_or_not() {
        let (mut router, link) = (Router::new(), LinkId(3));
        let first = router.listen("tick", false, "a");
        router.named(link, 7, "tick".into());
        router.listen("tick", true, "b");
        router.listen("tock", false, "c");
        let heard = |router: &mut Router<&'static str>| -> Vec<_> {
            let listeners = router.listeners(link, 7).into_iter().flatten();
            listeners.map(|listener| listener.handler).collect()
        };
        assert_eq!(heard(&mut router), ["a", "b"]);
        assert_eq!(router.handler(link, 7), None);
        assert_eq!(router.stop_listening(first), Some("a"));
        assert_eq!(router.stop_listening(first), None);
        assert_eq!(heard(&mut router), ["b"]);
    }

    #[test]
    fn handlers_come_and_go_independently_of_names() {
        let mut router = Router::new();
        let (first, second) = (LinkId(3), LinkId(1 << 16 | 3));
        router.named(first, 2, "echo".into());
        assert_eq!(router.handler(first, 2), None);
        router.handle("echo", "a");
        assert_eq!(router.handler(first, 2), Some(&mut "a"));
        router.handle("echo", "b");
        router.named(second, 0, "echo".into());
        assert_eq!(router.handler(second, 0), Some(&mut "b"));
        assert_eq!(router.handler(first, 2), None);
        router.forget(first);
        assert_eq!(router.handler(second, 0), Some(&mut "b"));
        router.forget(second);
        assert_eq!(router.handler(second, 0), None);
    }
}
