//! Translates the names of the library in its texts into flags of this program.

/// Names of the library, and what an operator uses instead.
const FLAGS: &[(&str, &str)] = &[
    ("`Auth::basic`", "`--user` and `--password-file`"),
    ("`EnsureRegistered::with_overwrite`", "`--yes`"),
    ("`EnsureRegistered::with_rollback`", "`--rollback`"),
    ("`HyperTransportBuilder::ca_pem`", "`--ca`"),
    ("`HyperTransportBuilder::client_certificate_pem`", "a program that uses the library"),
    (" or `HyperTransportBuilder::proxy`", ""),
    (", or set `HyperTransportBuilder::no_proxy`", ""),
    ("`HyperTransportBuilder::proxy`", "`HTTPS_PROXY`"),
    ("`Repository::create_snapshot`", "`es-snapshot take`"),
    ("`Repository::register`", "`es-snapshot repo register`"),
    ("`RestoreSnapshot::with_indices`", "`--indices`"),
    ("`RestoreSnapshot::with_rename`", "`--rename`"),
    ("`S3Settings::new`", "`--bucket`"),
    ("`S3Settings::with_base_path`", "`--base-path`"),
    // With any host as its argument.
    ("`S3Settings::with_endpoint(\"", "`--bucket-endpoint "),
    ("\")`", "`"),
    ("`S3Settings::with_endpoint`", "`--bucket-endpoint`"),
    ("`S3Settings::with_region`", "`--bucket-region`"),
    ("`S3Settings::with_role_arn`", "`--role-arn`"),
    ("`Snapshot::info`", "`es-snapshot show`"),
    ("`SnapshotClient::check`", "`es-snapshot status`"),
    ("`SnapshotClient::resume`", "`es-snapshot wait`"),
    ("`SnapshotClient::with_master_timeout` raises the limit", "the limit is the server's"),
    ("`SnapshotClient::with_queue_time`", "`--queue`"),
    ("`SnapshotClientBuilder::auth`", "`--auth`"),
    ("`SnapshotClientBuilder::connect_to`", "`--connect-to`"),
    ("`SnapshotClientBuilder::credentials`", "`--auth sigv4`"),
    ("`SnapshotClientBuilder::region`", "`--region`"),
    ("use https://, or consent with `SnapshotClientBuilder::danger_send_credentials_unencrypted`", "use https://"),
    ("`SnapshotInfo::failures`", "`es-snapshot show`"),
    ("`SnapshotList::unreadable`", "`es-snapshot list`"),
    ("`with_setting`", "`--setting`"),
    ("`GET /_snapshot`", "`es-snapshot repo list`"),
    ("`GET /_snapshot/_status`", "`es-snapshot status`"),
    ("; `SnapshotClientBuilder::max_response_bytes` raises the limit", ""),
    ("; `Timeouts::with_attempt` raises it", ""),
    ("; `Timeouts::with_call` raises it", ""),
    ("; `Timeouts::with_read` raises it", ""),
    ("; `iam::RoleMapping` builds the requests", ""),
    ("; use `Snapshot::restore` instead", ""),
];

/// Returns the text with flags instead of names of the library.
pub(crate) fn in_flags(text: &str) -> String {
    FLAGS.iter().fold(text.to_owned(), |text, (name, flag)| text.replace(name, flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the texts in backquotes of the form `Type::method`.
    fn names(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').filter(|word| word.contains("::") && !word.contains(' ') && !word.starts_with("arn:"))
    }

    /// Names in texts that this program cannot cause.
    const IMPOSSIBLE: [&str; 2] = ["SdkConfig::builder", "CreateSnapshot::with_token"];

    #[test]
    fn translates_every_name_in_the_texts_of_the_library() {
        let rows = include_str!("../../docs/errors.md").lines().filter(|line| line.starts_with("| "));
        let texts = include_str!("../../tests/error_texts.txt").lines();
        let checks = [include_str!("../../src/doctor/domain.rs"), include_str!("../../src/doctor/repository.rs")];
        let checks = checks.into_iter().flat_map(str::lines).filter(|line| !line.trim_start().starts_with("//"));
        let checks: Vec<String> = checks.map(|line| line.replace("\\\"", "\"")).collect();

        for text in rows.chain(texts).chain(checks.iter().map(String::as_str)) {
            let translated = in_flags(text);
            assert_eq!(names(&translated).find(|name| !IMPOSSIBLE.contains(name)), None, "{translated}");
        }
    }

    #[test]
    fn translates_a_name_into_a_flag() {
        assert_eq!(in_flags("set it with `S3Settings::with_role_arn`"), "set it with `--role-arn`");
    }
}
