//! What operators set up and do: TLS, users, a quota, a compaction of their own.

use std::sync::Arc;

use bytes::Bytes;
use downlink::journal::shared::etcd::{EtcdLog, EtcdOptions, EtcdTls, EtcdUser};
use downlink::journal::shared::{LogError, MAX_ENTRY, Offset, SharedLog};
use etcd_client::{AlarmAction, AlarmOptions, AlarmType, PermissionType};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::contract::{entry, eventually, next, take, told};
use super::members::Etcd;

fn opened(options: &EtcdOptions) -> Arc<dyn SharedLog> {
    Arc::new(EtcdLog::connect(options).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_that_others_compact_is_no_loss() {
    let etcd = Etcd::start(1).await;
    let log = etcd.log("log");
    // More than are read at once, and than a page of them holds.
    for number in 1..=1200 {
        log.append(told("a", number)).await.unwrap();
    }
    let all = take(&mut log.tail(Offset(0)), 1200).await;
    let mut running = log.tail(all[9].0);
    take(&mut running, 1).await;
    let head = i64::try_from(all[1199].0.0).unwrap();
    etcd.client(0).await.compact(head, None).await.unwrap();
    for after in [0, 500] {
        let mut tail = log.tail(all[after].0);
        assert_eq!(take(&mut tail, 1199 - after).await, all[after + 1..]);
        log.append(told("b", u64::try_from(after).unwrap() + 1)).await.unwrap();
        assert_eq!(&*next(&mut tail).await.unwrap().1.id.node, "b");
    }
    assert_eq!(take(&mut running, 1189).await, all[11..]);
    // A trim finds all pages of keys.
    log.trim(all[1149].0).await.unwrap();
    let left = take(&mut log.tail(all[1149].0), 50).await;
    assert_eq!(left, all[1150..]);
    let prefix = etcd_client::GetOptions::new().with_prefix().with_count_only();
    let keys = etcd.client(0).await.get("log/log/", Some(prefix)).await.unwrap();
    assert_eq!(keys.count(), 52);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_etcd_is_told_and_can_be_emptied() {
    let flags = ["--quota-backend-bytes=8388608"];
    let mut etcd = Etcd::start_with(1, "http", &flags);
    etcd.is_healthy().await;
    let log = etcd.log("log");
    let mut number = 0;
    let failed = loop {
        number += 1;
        match log.append(entry("a", number, vec![1; MAX_ENTRY])).await {
            Ok(()) => assert!(number < 100, "it is never full"),
            Err(error) => break error,
        }
    };
    assert!(matches!(failed, LogError::Full(_)), "{failed:?}");
    // The mark needs room too, so that an operator makes some first.
    let head = log.head().await.unwrap();
    assert!(matches!(log.trim(head).await, Err(LogError::Full(_))));
    etcd.kill(0);
    // Well above what is there, which may be more than twice what it might: etcd looks at
    // the size that its file had at the last commit.
    etcd.set_flag(0, "--quota-backend-bytes=67108864");
    etcd.run(0);
    etcd.is_healthy().await;
    let mut client = etcd.client(0).await;
    let status = client.status().await.unwrap();
    let mut member = AlarmOptions::new();
    member.with_member(status.header().unwrap().member_id());
    client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(member)).await.unwrap();
    let before = log.size().await.unwrap();
    log.trim(head).await.unwrap();
    // What a commit frees is free with the one after it, and nodes always say something.
    eventually("its room is free", || async {
        log.announce("a", Bytes::new()).await.unwrap();
        log.size().await.unwrap() < before / 4
    })
    .await;
    client.defragment().await.unwrap();
    log.append(entry("a", number, vec![1; MAX_ENTRY])).await.unwrap();
    assert_eq!(take(&mut log.tail(head), 1).await[0].1.id.number, number);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_let_in_by_its_password() {
    let mut etcd = Etcd::start(1).await;
    let mut client = etcd.client(0).await;
    client.user_add("root", "secret", None).await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.user_add("downlink", "password", None).await.unwrap();
    client.role_add("downlink").await.unwrap();
    let all = etcd_client::Permission::new(PermissionType::Readwrite, "log/").with_prefix();
    client.role_grant_permission("downlink", all).await.unwrap();
    client.user_grant_role("downlink", "downlink").await.unwrap();
    client.auth_enable().await.unwrap();
    let user = |prefix: &str, name: &str, password: &str| {
        let user = EtcdUser { name: name.to_owned(), password: password.to_owned() };
        opened(&EtcdOptions { user: Some(user), ..etcd.options(prefix) })
    };
    let log = user("log", "downlink", "password");
    log.append(told("a", 1)).await.unwrap();
    let mut tail = log.tail(Offset(0));
    assert_eq!(next(&mut tail).await.unwrap().1, told("a", 1));
    for (log, why) in [
        (user("log", "downlink", "wrong"), "a wrong password"),
        (user("log", "nobody", "password"), "an unknown user"),
        (user("other", "downlink", "password"), "a prefix of others"),
        (etcd.log("log"), "no user"),
    ] {
        let appended = log.append(told("b", 1)).await;
        assert!(matches!(appended, Err(LogError::Refused(_))), "{why}: {appended:?}");
        let read = next(&mut log.tail(Offset(0))).await;
        assert!(matches!(read, Err(LogError::Refused(_))), "{why}: {read:?}");
    }
    // Tokens end with the member that gave them.
    etcd.kill(0);
    etcd.run(0);
    eventually("a new token is got", || async {
        match log.append(told("a", 2)).await {
            Err(LogError::Unreachable(_)) => false,
            appended => appended.is_ok() || panic!("{appended:?}"),
        }
    })
    .await;
    assert_eq!(take(&mut log.tail(Offset(0)), 2).await[1].1, told("a", 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_vouches_for_both_sides() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let write = |name: &str, text: String| std::fs::write(path(name), text).unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate().unwrap();
    let ca = params.self_signed(&ca_key).unwrap();
    write("ca.pem", ca.pem());
    let issuer = Issuer::from_params(&params, &ca_key);
    for name in ["server", "client"] {
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let made = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        write(&format!("{name}.pem"), made.pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
    let strange = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    write("strange.pem", strange.cert.pem());
    let paths = ["server.pem", "server.key", "ca.pem"];
    let flags = ["--cert-file=DIR/server.pem", "--key-file=DIR/server.key"];
    let flags = [&flags[..], &["--trusted-ca-file=DIR/ca.pem", "--client-cert-auth"]].concat();
    assert!(paths.iter().all(|name| path(name).exists()));
    let good = EtcdTls {
        ca: path("ca.pem"),
        identity: Some((path("client.pem"), path("client.key"))),
        domain: Some("localhost".to_owned()),
    };
    let strange = path("strange.pem");
    let etcd = Etcd::start_in(directory, 1, "https", &flags);
    let with = |tls: EtcdTls| opened(&EtcdOptions { tls: Some(tls), ..etcd.options("log") });
    let log = with(good.clone());
    eventually("it is appended", || async { log.append(told("a", 1)).await.is_ok() }).await;
    assert_eq!(take(&mut log.tail(Offset(0)), 1).await[0].1, told("a", 1));
    let refused = with(EtcdTls { ca: strange, ..good.clone() }).head().await;
    assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
    let domain = Some("elsewhere".to_owned());
    let refused = with(EtcdTls { domain, ..good.clone() }).head().await;
    assert!(matches!(refused, Err(LogError::Refused(_))), "{refused:?}");
    let anonymous = with(EtcdTls { identity: None, ..good.clone() }).head().await;
    assert!(anonymous.is_err(), "{anonymous:?}");
    let missing = EtcdTls { ca: "/nowhere/ca.pem".into(), ..good };
    let missing = EtcdLog::connect(&EtcdOptions { tls: Some(missing), ..etcd.options("log") });
    assert!(missing.unwrap_err().to_string().contains("/nowhere/ca.pem"));
}
