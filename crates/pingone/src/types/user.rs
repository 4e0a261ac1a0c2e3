//! The user object (pingone-api.md §7). Read by hand rather than derived: attributes of the customer stand beside
//! PingOne's own at the top level, and a flattened map would copy every one of them.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use uuid::Uuid;

use super::Reference;
use crate::lenient::{self, flag, once, text, time};

macro_rules! text_members {
    ($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($(#[$member_doc])* #[serde(default, deserialize_with = "text")] pub $member: Option<String>,)+
        }
    };
}

text_members! {
    /// The parts of a person's name.
    Name {
        /// The whole name.
        formatted,
        /// First name.
        given,
        /// Middle name.
        middle,
        /// Last name.
        family,
        /// Such as Dr.
        honorific_prefix,
        /// Such as CPA.
        honorific_suffix,
    }
}

text_members! {
    /// A postal address.
    Address {
        /// Street and number.
        street_address,
        /// City.
        locality,
        /// State or province.
        region,
        /// Postal code.
        postal_code,
        /// Two capitals.
        country_code,
    }
}

text_members! {
    /// State of verification.
    Lifecycle {
        /// `ACCOUNT_OK`, `VERIFICATION_REQUIRED`, or anything new.
        status,
    }
}

text_members! {
    /// A picture.
    Photo {
        /// Where it is.
        href,
    }
}

/// State of the account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// False when disabled or locked.
    #[serde(default, deserialize_with = "flag")]
    pub can_authenticate: Option<bool>,
    /// `OK`, `LOCKED`, or anything new.
    #[serde(default, deserialize_with = "text")]
    pub status: Option<String>,
    /// When it was locked; absent for automatic lockouts.
    #[serde(default, deserialize_with = "time")]
    pub locked_at: Option<Timestamp>,
    /// When the lock ends.
    #[serde(default, deserialize_with = "time")]
    pub unlock_at: Option<Timestamp>,
}

/// Where a user signs on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct IdentityProvider {
    /// Absent for PingOne itself.
    #[serde(default, deserialize_with = "text")]
    pub id: Option<String>,
    /// `PING_ONE`, or an open set.
    #[serde(default, rename = "type", deserialize_with = "text")]
    pub provider_type: Option<String>,
}

/// The last sign-on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct LastSignOn {
    /// When.
    #[serde(default, deserialize_with = "time")]
    pub at: Option<Timestamp>,
}

macro_rules! user {
    ($($(#[$doc:meta])* $key:literal => $member:ident: $type:ty, $with:ident;)+) => {
        /// A user.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct User {
            pub id: Uuid,
            $($(#[$doc])* pub $member: Option<$type>,)+
            /// Attributes that PingOne's own documentation does not know, as they came.
            pub custom: BTreeMap<String, serde_json::Value>,
        }

        impl<'de> Visitor<'de> for UserVisitor {
            type Value = User;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a user")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<User, A::Error> {
                let mut user = User::default();
                let mut id = None;
                $(let mut $member = false;)+
                while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    match key.as_ref() {
                        "id" => {
                            let value = map.next_value::<StrictId>();
                            let value = value.map_err(|error| within("`id` of a user", &error))?.0;
                            once(id.replace(value).is_some(), "id")?;
                        }
                        $($key => {
                            once(std::mem::replace(&mut $member, true), $key)?;
                            let value = map.next_value::<lenient::$with<$type>>();
                            user.$member = value.map_err(|error| within(concat!("`", $key, "` of a user"), &error))?.0;
                        })+
                        // Links, and members that only single reads carry.
                        "_links" | "_embedded" | "memberOfGroupIDs" | "memberOfGroupNames" => {
                            map.next_value::<IgnoredAny>()?;
                        }
                        _ => {
                            let value = map.next_value()?;
                            once(user.custom.insert(key.into_owned(), value).is_some(), "of an attribute")?;
                        }
                    }
                }
                user.id = id.ok_or_else(|| A::Error::missing_field("id"))?;
                Ok(user)
            }
        }
    };
}

user! {
    /// State of the account.
    "account" => account: Account, AsObject;
    /// The customer's account id.
    "accountId" => account_id: String, AsText;
    /// Postal address.
    "address" => address: Address, AsObject;
    /// Creation time.
    "createdAt" => created_at: Timestamp, AsTime;
    /// E-mail address, may be absent.
    "email" => email: String, AsText;
    /// The address was verified.
    "emailVerified" => email_verified: bool, AsFlag;
    /// The account is enabled.
    "enabled" => enabled: bool, AsFlag;
    /// The environment.
    "environment" => environment: Reference, AsObject;
    /// The customer's id, not unique.
    "externalId" => external_id: String, AsText;
    /// Where the user signs on.
    "identityProvider" => identity_provider: IdentityProvider, AsObject;
    /// The last sign-on.
    "lastSignOn" => last_sign_on: LastSignOn, AsObject;
    /// State of verification.
    "lifecycle" => lifecycle: Lifecycle, AsObject;
    /// Locale.
    "locale" => locale: String, AsText;
    /// MFA is on.
    "mfaEnabled" => mfa_enabled: bool, AsFlag;
    /// Mobile phone.
    "mobilePhone" => mobile_phone: String, AsText;
    /// The parts of the name.
    "name" => name: Name, AsObject;
    /// Nickname.
    "nickname" => nickname: String, AsText;
    /// Picture.
    "photo" => photo: Photo, AsObject;
    /// The population.
    "population" => population: Reference, AsObject;
    /// Preferred language.
    "preferredLanguage" => preferred_language: String, AsText;
    /// Primary phone.
    "primaryPhone" => primary_phone: String, AsText;
    /// Time zone.
    "timezone" => timezone: String, AsText;
    /// Title.
    "title" => title: String, AsText;
    /// Free text of the customer.
    "type" => user_type: String, AsText;
    /// Time of the last change.
    "updatedAt" => updated_at: Timestamp, AsTime;
    /// Unique ignoring case.
    "username" => username: String, AsText;
    /// State of identity verification.
    "verifyStatus" => verify_status: String, AsText;
}

/// Names the member in which an error happened; the error's own text may quote values.
fn within<E: serde::de::Error>(member: &str, error: &E) -> E {
    let broken = error.to_string();
    if broken.contains(super::SAFE) || broken.starts_with("missing field") {
        return super::safe(format_args!("{member} has no usable id"));
    }
    super::safe(format_args!("{member} cannot be read"))
}

/// An id of the user itself.
struct StrictId(Uuid);

impl<'de> Deserialize<'de> for StrictId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        super::id(deserializer).map(Self)
    }
}

struct UserVisitor;

impl<'de> Deserialize<'de> for User {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UserVisitor)
    }
}

impl User {
    /// PingOne's own text attributes that stand at the top level, by PingOne's names.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let texts = [
            ("username", &self.username),
            ("email", &self.email),
            ("externalId", &self.external_id),
            ("accountId", &self.account_id),
            ("nickname", &self.nickname),
            ("title", &self.title),
            ("type", &self.user_type),
            ("locale", &self.locale),
            ("preferredLanguage", &self.preferred_language),
            ("timezone", &self.timezone),
            ("primaryPhone", &self.primary_phone),
            ("mobilePhone", &self.mobile_phone),
            ("verifyStatus", &self.verify_status),
        ];
        texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }

    /// `account.status`
    pub fn account_status(&self) -> Option<&str> {
        self.account.as_ref()?.status.as_deref()
    }

    /// `lifecycle.status`
    pub fn lifecycle_status(&self) -> Option<&str> {
        self.lifecycle.as_ref()?.status.as_deref()
    }

    /// `identityProvider.type`
    pub fn identity_provider_type(&self) -> Option<&str> {
        self.identity_provider.as_ref()?.provider_type.as_deref()
    }

    /// `lastSignOn.at`
    pub fn last_sign_on_at(&self) -> Option<Timestamp> {
        self.last_sign_on.as_ref()?.at
    }

    /// `population.id`
    pub fn population_id(&self) -> Option<Uuid> {
        self.population.map(|population| population.id)
    }

    /// `environment.id`
    pub fn environment_id(&self) -> Option<String> {
        self.environment.map(|environment| environment.id.to_string())
    }
}
