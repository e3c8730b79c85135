//! The words, each with the number that the manager keeps for ever; protobuf has the same.

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant = $code),+ }

        impl $name {
            /// Every one of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its number.
            pub const fn code(self) -> i32 {
                self as i32
            }

            /// The word of that number.
            pub const fn from_code(code: i32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// By what right a value was shown that the mask would have hidden.
    Privilege {
        Owner = 1,
        Admin = 2,
        /// On the viewer list.
        Listed = 3,
        /// A service with the scope `addresses.read`.
        AddressesRead = 4,
    }
}

words! {
    /// What of the settings was changed. The values of names are not told.
    SettingsField {
        BusinessDisplayName = 1,
        Plan = 2,
        TimeZone = 3,
        Enforcement = 4,
        NotSetVisibility = 5,
        MembersMayRegrant = 6,
        SharedAddressPolicy = 7,
        Role = 8,
        ProtectionOfficer = 9,
        Listed = 10,
        MemberDisplayName = 11,
        DefaultGrantLifetime = 12,
    }
}

impl SettingsField {
    /// Whether it is a member's.
    pub const fn is_of_member(self) -> bool {
        matches!(
            self,
            Self::Role | Self::ProtectionOfficer | Self::Listed | Self::MemberDisplayName
        )
    }
}

#[cfg(test)]
mod tests {
    use yinyom_proto::manager::v1 as pb;

    use super::*;

    #[test]
    fn protobuf_has_the_same_numbers_and_no_other() {
        let plain = |name: &str| name.replace('_', "").to_lowercase();
        for privilege in Privilege::ALL {
            let wire = pb::Privilege::try_from(privilege.code()).unwrap_or_default();
            assert_eq!(plain(wire.as_str_name()), format!("privilege{privilege:?}").to_lowercase());
        }
        for field in SettingsField::ALL {
            let wire = pb::SettingsField::try_from(field.code()).unwrap_or_default();
            let name = format!("settingsfield{field:?}").to_lowercase();
            assert_eq!(plain(wire.as_str_name()), name);
        }
        assert!(pb::Privilege::try_from(5).is_err() && Privilege::from_code(5).is_none());
        assert!(pb::SettingsField::try_from(13).is_err() && SettingsField::from_code(13).is_none());
        assert!(Privilege::from_code(0).is_none() && SettingsField::from_code(0).is_none());
    }
}
