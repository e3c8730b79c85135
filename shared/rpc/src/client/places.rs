//! Where a service is: `https://name:port`, or several names, each of one replica or more: `https://one:7071,two:7071`.

use http::Uri;

use super::ConnectError;

/// An endpoint that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The first of them: by its name all are called, and by its certificate all are known.
    pub origin: Uri,
    /// Host and port of each.
    pub hosts: Vec<(String, u16)>,
}

impl Places {
    /// Reads an endpoint of one of these schemes.
    pub fn parse(endpoint: &str, schemes: &[&str]) -> Result<Self, ConnectError> {
        let wrong = || ConnectError(endpoint.to_owned());
        // `7071` would pass as a host, and `https` without TLS would fail at each call.
        let (scheme, rest) = endpoint.split_once("://").ok_or_else(wrong)?;
        if !schemes.contains(&scheme) {
            return Err(wrong());
        }
        let uris = rest.split(',').map(|place| format!("{scheme}://{place}").parse::<Uri>());
        let uris: Vec<Uri> = uris.collect::<Result<_, _>>().map_err(|_| wrong())?;
        let hosts = uris.iter().map(|uri| {
            let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
            Some((uri.host()?.trim_matches(['[', ']']).to_owned(), port))
        });
        let hosts = hosts.collect::<Option<_>>().ok_or_else(wrong)?;
        Ok(Self { origin: uris.into_iter().next().ok_or_else(wrong)?, hosts })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_service_is_at_one_place_or_at_several() {
        let hosts = |endpoint| Places::parse(endpoint, &["http", "https"]).map(|at| at.hosts);
        let at = |host: &str, port| (host.to_owned(), port);
        assert_eq!(hosts("https://one:7071").unwrap(), [at("one", 7071)]);
        assert_eq!(hosts("https://one").unwrap(), [at("one", 443)]);
        assert_eq!(
            hosts("http://127.0.0.1:1,[::1]:2,two").unwrap(),
            [at("127.0.0.1", 1), at("::1", 2), at("two", 80)]
        );
        let several = Places::parse("https://one:1,two:2", &["https"]).unwrap();
        assert_eq!(several.origin, "https://one:1");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        for wrong in ["", "7071", "one:7071", "ftp://one", "http://", "http://one:1,", "http://a b"]
        {
            assert!(Places::parse(wrong, &["http", "https"]).is_err(), "{wrong:?}");
        }
        assert!(Places::parse("https://one", &["http"]).is_err());
    }
}
