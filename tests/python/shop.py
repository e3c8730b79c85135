"""A business with its people, and what a test does with it again and again."""

from types import SimpleNamespace

from wire import Caller, plain

PHONE_MASK = "•••-•••-••••"
EMAIL_MASK = "•••••@•••••"
STATES = ("NOT_SET", "GRANTED", "DENIED")


class Shop:
    """A business of its own: an owner, an admin, a user on the viewer list, another user, and the
    protection officer. Enforcement is off until it is switched on."""

    def __init__(self, house, plan="PLAN_GOLD"):
        self._house = house
        founded = house.operator(
            "settings.BusinessService/CreateBusiness",
            business={"display_name": "ร้านดอกไม้", "plan": plan},
            owner_display_name="เจ้าของ",
        )
        self.name = founded.business.name
        self.owner = house.member(founded.owner.name)
        self.admin = self._hire("ผู้ดูแล", "ROLE_ADMIN")
        self.listed = self._hire("ผู้ใช้ในรายชื่อ", "ROLE_USER")
        self.user = self._hire("ผู้ใช้", "ROLE_USER")
        self.officer = self._hire("เจ้าหน้าที่คุ้มครองข้อมูล", "ROLE_USER", protection_officer=True)
        self.owner(
            "settings.ConsentSettingsService/AddViewers",
            parent=self.name,
            members=[self.listed.name],
        )

    def _hire(self, display_name, role, **flags):
        hired = self.owner(
            "settings.BusinessService/CreateMember",
            parent=self.name,
            member={"display_name": display_name, "role": role, **flags},
        )
        return self._house.member(hired.member.name)

    def people(self):
        return {who: getattr(self, who) for who in ("owner", "admin", "listed", "user", "officer")}

    def switch(self, on, by=None):
        """Switches enforcement."""
        return (by or self.owner)(
            "settings.ConsentSettingsService/UpdateConsentSettings",
            consent_settings={"name": f"{self.name}/consentSettings", "enforcement_enabled": on},
            update_mask={"paths": ["enforcement_enabled"]},
        )

    def enforced(self):
        settings = self.owner(
            "settings.ConsentSettingsService/GetConsentSettings",
            name=f"{self.name}/consentSettings",
        )
        return settings.consent_settings.enforcement_enabled

    def contact(self, phone="", email="", first_name="สมหญิง", by=None):
        """A new contact's name."""
        created = (by or self.owner)(
            "directory.ContactService/CreateContact",
            parent=self.name,
            contact={
                "first_name": first_name,
                "last_name": "ใจดี",
                "phones": [{"value": phone}] if phone else [],
                "emails": [{"value": email}] if email else [],
            },
        )
        return created.contact.name

    def say(self, contact, by=None, surface="CONTACTS", lead="", account="", evidence=None, **said):
        """Records what a customer said: `say(contact, phone="DENIED")`."""
        return (by or self.owner)(
            "directory.ConsentService/SetContactConsents",
            contact=contact,
            surface=f"SURFACE_{surface}",
            lead=lead,
            account=account,
            assignments=[
                {"channel": f"CHANNEL_{channel.upper()}", "state": f"CONSENT_STATE_{state}"}
                for channel, state in said.items()
            ],
            **({"evidence": evidence} if evidence else {}),
        )


def get(who, contact):
    """The contact as `who` sees it."""
    return who("directory.ContactService/GetContact", name=contact).contact


def shown(contact):
    """The first phone and e-mail of a contact as it was shown, and the states of both channels."""
    contact = plain(contact)
    states = {c["channel"]: c["state"].removeprefix("CONSENT_STATE_") for c in contact["consents"]}
    return SimpleNamespace(
        phone=contact["phones"][0]["value"] if contact["phones"] else None,
        email=contact["emails"][0]["value"] if contact["emails"] else None,
        states=(states["CHANNEL_PHONE"], states["CHANNEL_EMAIL"]),
        points=contact["phones"] + contact["emails"],
    )


class House:
    """The three services of a running `yinyom`, and whoever may call them."""

    def __init__(self, yinyom, services):
        self.yinyom = yinyom
        self.services = services
        self.nobody = Caller(services)
        self.operator = Caller(services, yinyom.facts["operator"]["token"])

    def member(self, name):
        """The member `businesses/…/members/…`, with a token."""
        return Caller(self.services, self.yinyom.token(name), name)

    def bearer(self, token, metadata=()):
        """Whoever holds that token, which may be none."""
        return Caller(self.services, token, metadata=metadata)
