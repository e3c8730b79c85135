//! A value for each channel.

use crate::Channel;

/// One `T` for the phone channel and one for the e-mail channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ByChannel<T> {
    pub phone: T,
    pub email: T,
}

impl<T> ByChannel<T> {
    /// What `of` says of each channel.
    pub fn from_fn(mut of: impl FnMut(Channel) -> T) -> Self {
        Self { phone: of(Channel::Phone), email: of(Channel::Email) }
    }

    /// The value of `channel`.
    pub const fn get(&self, channel: Channel) -> &T {
        match channel {
            Channel::Phone => &self.phone,
            Channel::Email => &self.email,
        }
    }

    /// The value of `channel`, to change it.
    pub const fn get_mut(&mut self, channel: Channel) -> &mut T {
        match channel {
            Channel::Phone => &mut self.phone,
            Channel::Email => &mut self.email,
        }
    }

    /// Both, phone first.
    pub fn iter(&self) -> impl Iterator<Item = (Channel, &T)> {
        [(Channel::Phone, &self.phone), (Channel::Email, &self.email)].into_iter()
    }

    /// What `change` makes of each.
    pub fn map<U>(self, mut change: impl FnMut(Channel, T) -> U) -> ByChannel<U> {
        ByChannel {
            phone: change(Channel::Phone, self.phone),
            email: change(Channel::Email, self.email),
        }
    }
}
