//! Which drive comes next while links are busy.

use ipc_core::{Engine, Host};

/// Drives of hot links in a row before a whole one. A whole one costs a system call, some 300 ns.
const HOT_IN_A_ROW: u32 = 32;

/// Mostly the drive that costs no system call, and now and then the whole one: a link that is
/// always busy must not keep out newcomers, deadlines, and the ends of others.
#[derive(Default)]
pub(crate) struct Turns {
    hot: u32,
}

impl Turns {
    /// Drives hot links, about which there is known to be something.
    #[inline]
    pub fn drive_hot(&mut self, engine: &mut Engine, host: &mut impl Host) -> bool {
        if self.hot == HOT_IN_A_ROW {
            return self.drive(engine, host);
        }
        self.hot += 1;
        engine.paced(|engine| engine.drive_hot(host))
    }

    /// Drives everything.
    pub fn drive(&mut self, engine: &mut Engine, host: &mut impl Host) -> bool {
        self.hot = 0;
        engine.paced(|engine| engine.drive(host))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::api::CallOptions;
    use ipc_core::{
        Body, BufferId, Corrupt, Event, Lane, LinkId, ListenOptions, Message, Options, Overflow,
    };

    /// Notices connections and nothing else.
    #[derive(Default)]
    struct Porter {
        opened: bool,
    }

    impl Host for Porter {
        fn message(&mut self, _: LinkId, _: &Message, _: Body<'_>) -> Result<(), Corrupt> {
            Ok(())
        }

        fn open(&mut self, _: LinkId, _: &Message) -> BufferId {
            BufferId(0)
        }

        fn fill(&mut self, _: BufferId, _: usize, _: Body<'_>) -> Result<(), Corrupt> {
            Ok(())
        }

        fn finish(&mut self, _: LinkId, _: &Message, _: BufferId) {}

        fn discard(&mut self, _: BufferId) {}

        fn event(&mut self, event: Event<'_>) {
            self.opened |= matches!(event, Event::Connected { .. } | Event::Accepted { .. });
        }
    }

    #[test]
    fn an_engine_that_only_drives_hot_links_accepts_newcomers() {
        let name = format!("ringpost-turns-{}", std::process::id());
        let directory = Some(std::env::temp_dir().join(name));
        let options = Options { directory, ..Options::default() };
        let (mut server, mut porter) = (Engine::new().unwrap(), Porter::default());
        server.listen("demo", &options, &ListenOptions::default()).unwrap();
        let (mut client, mut visitor) = (Engine::new().unwrap(), Porter::default());
        client.connect("demo", &options, Duration::from_secs(5)).unwrap();
        let mut turns = Turns::default();
        // HELLO, READY, and then it is open.
        for _ in 0..3 * (HOT_IN_A_ROW + 1) {
            turns.drive_hot(&mut server, &mut porter);
            client.drive(&mut visitor);
        }
        assert!(porter.opened && visitor.opened);
        drop(std::fs::remove_dir_all(options.directory.unwrap()));
    }

    #[test]
    fn an_engine_whose_lanes_are_all_full_sleeps_until_there_is_room() {
        let name = format!("ringpost-full-{}", std::process::id());
        let directory = Some(std::env::temp_dir().join(name));
        let rings = [512 << 10, 512 << 10, 512 << 10, 512 << 10, 0];
        let mut options = Options { directory, rings, ..Options::default() };
        options.bounds.overflow = [Overflow::Wait(Duration::from_secs(60)); Lane::ALL.len()];
        let (mut server, mut porter) = (Engine::new().unwrap(), Porter::default());
        server.listen("demo", &options, &ListenOptions::default()).unwrap();
        let (mut client, mut visitor) = (Engine::new().unwrap(), Porter::default());
        let link = client.connect("demo", &options, Duration::from_secs(5)).unwrap();
        while !visitor.opened || !porter.opened {
            server.drive(&mut porter);
            client.drive(&mut visitor);
        }
        // As long as a frame gets, so that what waits in few lanes is as much as is written at
        // once.
        let payload = vec![7; 127 << 10];
        let options_of = |lane| CallOptions { lane, ..CallOptions::default() };
        let code = client.code("full").unwrap();
        for lane in Lane::ALL {
            let draft = options_of(lane).one_way(code);
            for _ in 0..32 {
                client.send(link, &draft, &payload).unwrap();
            }
        }
        client.flush();
        // Some is read, its room is filled again, and then there is none.
        server.drive(&mut porter);
        for _ in 0..100 {
            client.drive(&mut visitor);
        }
        assert!(client.arm(), "there is nothing to be done");
        drop(std::fs::remove_dir_all(options.directory.unwrap()));
    }
}
