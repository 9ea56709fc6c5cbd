//! From a peer's code for a name to the handler of that name.

use std::collections::HashMap;

use crate::engine::LinkId;

/// Handlers by name, and per link what its peer's codes mean.
pub(crate) struct Router<H> {
    handlers: Vec<H>,
    by_name: HashMap<Box<str>, usize>,
    /// By the place of a link in its engine; the id says whose it is now.
    links: Vec<Option<(LinkId, Vec<Option<Route>>)>>,
}

struct Route {
    name: Box<str>,
    handler: Option<usize>,
}

impl<H> Router<H> {
    pub fn new() -> Self {
        Self { handlers: Vec::new(), by_name: HashMap::new(), links: Vec::new() }
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
        let routes = self.links.iter_mut().flatten().flat_map(|(_, routes)| routes).flatten();
        for route in routes.filter(|route| *route.name == *name) {
            route.handler = Some(index);
        }
        None
    }

    /// Takes all handlers away.
    #[cfg(feature = "tokio")]
    pub fn clear(&mut self) -> Vec<H> {
        self.by_name.clear();
        let routes = self.links.iter_mut().flatten().flat_map(|(_, routes)| routes).flatten();
        routes.for_each(|route| route.handler = None);
        std::mem::take(&mut self.handlers)
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
        routes[usize::from(code)] = Some(Route { name, handler });
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
