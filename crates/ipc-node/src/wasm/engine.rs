//! The engine of a module, as what counts connections has it.

use ipc_core::{LinkId, Totals};

use super::binding::Binding;

pub struct NativeEngine<'a>(pub(super) &'a Binding);

impl NativeEngine<'_> {
    pub(crate) fn totals(&self, link: LinkId) -> Option<Totals> {
        self.0.inner().totals(link)
    }
}
