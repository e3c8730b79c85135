//! The words of a receipt: for programs, in English, in Thai.

use yinyom_consent::{Cause, Channel, ConsentState, EvidenceMethod, Role, Surface};
use yinyom_kernel::Language;

/// One thing in three languages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    /// As the API has it, without its prefix.
    pub(crate) code: &'static str,
    english: &'static str,
    thai: &'static str,
}

impl Word {
    pub(crate) const fn get(self, language: Language) -> &'static str {
        match language {
            Language::English => self.english,
            Language::Thai => self.thai,
        }
    }
}

macro_rules! words {
    ($($name:ident of $of:ident { $($variant:ident: $code:literal, $english:literal, $thai:literal;)+ })+) => {
        $(
            pub(crate) const fn $name(it: $of) -> Word {
                match it {
                    $($of::$variant => Word { code: $code, english: $english, thai: $thai },)+
                }
            }
        )+
    };
}

words! {
    channel of Channel {
        Phone: "PHONE", "phone", "โทรศัพท์";
        Email: "EMAIL", "e-mail", "อีเมล";
    }
    state of ConsentState {
        NotSet: "NOT_SET", "not asked, or no longer valid", "ยังไม่ได้ระบุ";
        Granted: "GRANTED", "consent given", "ยินยอม";
        Denied: "DENIED", "consent refused", "ไม่ยินยอม";
    }
    cause of Cause {
        Created: "CREATED", "contact created", "สร้างผู้ติดต่อ";
        Set: "SET", "recorded", "บันทึกความยินยอม";
        Withdrawn: "WITHDRAWN", "refused or withdrawn", "ปฏิเสธหรือถอนความยินยอม";
        ContactPointChanged: "CONTACT_POINT_CHANGED", "number or address changed", "เปลี่ยนเบอร์หรืออีเมล";
        Imported: "IMPORTED", "imported", "นำเข้าข้อมูล";
        RefusedAddress: "REFUSED_ADDRESS", "refused before", "เคยปฏิเสธไว้ก่อน";
        Merged: "MERGED", "two contacts became one", "รวมผู้ติดต่อ";
        MergeUndone: "MERGE_UNDONE", "merge undone", "ยกเลิกการรวมผู้ติดต่อ";
        Expired: "EXPIRED", "consent ran out", "ความยินยอมหมดอายุ";
        Deleted: "DELETED", "contact deleted", "ลบผู้ติดต่อ";
        Erased: "ERASED", "personal data destroyed", "ทำลายข้อมูลส่วนบุคคล";
    }
    surface of Surface {
        Lead: "LEAD", "page of a lead", "หน้าลีด";
        LeadContacts: "LEAD_CONTACTS", "contacts of a lead", "ผู้ติดต่อของลีด";
        AccountContacts: "ACCOUNT_CONTACTS", "contacts of an account", "ผู้ติดต่อของทะเบียนลูกค้า";
        Contacts: "CONTACTS", "contacts menu", "เมนูผู้ติดต่อ";
        Import: "IMPORT", "import", "การนำเข้า";
        Api: "API", "another system", "ระบบอื่น";
    }
    method of EvidenceMethod {
        Form: "FORM", "form", "แบบฟอร์ม";
        Call: "CALL", "phone call", "โทรศัพท์";
        Email: "EMAIL", "e-mail", "อีเมล";
        Chat: "CHAT", "chat", "แชท";
        Paper: "PAPER", "paper", "เอกสาร";
    }
    role of Role {
        Owner: "OWNER", "owner", "เจ้าของธุรกิจ";
        Admin: "ADMIN", "admin", "ผู้ดูแล";
        User: "USER", "user", "ผู้ใช้";
    }
}

/// What `all` has with this code.
pub(crate) fn find<T: Copy>(all: &[T], word: impl Fn(T) -> Word, code: &str) -> Option<T> {
    all.iter().copied().find(|it| word(*it).code == code)
}
