//! What the flags of a cluster make of what is typed.

use super::*;

#[test]
fn members_are_named_in_a_url() {
    let read = |text: &str| place(text).map(|it| (it.members, it.prefix, it.over_tls));
    let members = |of: &[&str]| of.iter().map(|&it| it.to_owned()).collect::<Vec<_>>();
    for (text, of, prefix, over_tls) in [
        ("etcd://a", &["a:2379"][..], "downlink", false),
        (" etcd://a:1,b:65535/ ", &["a:1", "b:65535"], "downlink", false),
        ("etcds://[::1]:7,[::2]/x/y-1/", &["[::1]:7", "[::2]:2379"], "x/y-1", true),
    ] {
        assert_eq!(read(text), Ok((members(of), prefix.to_owned(), over_tls)), "{text}");
    }
    for text in [
        "",
        "a:1",
        "http://a",
        "etcd://",
        "etcd://a,",
        "etcd://a:0",
        "etcd://a:65536",
        "etcd://a b",
        "etcd://u:p@a",
        "etcd://::1",
        "etcd://a//b",
        "etcd://a/b?c",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
}

#[test]
fn a_node_is_reached_by_plain_http() {
    for (text, read) in [
        ("http://a:1", "http://a:1"),
        ("http://[::1]/", "http://[::1]:80"),
        (" http://a ", "http://a:80"),
    ] {
        assert_eq!(peer(text), Ok(read.to_owned()));
    }
    for text in ["", "a:1", "https://a", "http://", "http://a:0", "http://a/b", "http://u@a"] {
        assert!(peer(text).is_err(), "{text}");
    }
}

#[test]
fn what_belongs_together_comes_together() {
    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        cluster: ClusterArguments,
    }
    let read = |line: &str, durability| {
        let words = ["x"].into_iter().chain(line.split_whitespace());
        let line: Line = clap::Parser::try_parse_from(words).unwrap();
        line.cluster.validate(durability).map_err(|error| error.to_string())
    };
    assert_eq!(read("", Durability::Memory), Ok(None));
    for flag in [
        "--node=a",
        "--reads=local",
        "--copies=1",
        "--log-limit=1GiB",
        "--cluster-ca=x",
        "--cluster-cert=x",
        "--cluster-key=x",
        "--cluster-user=x",
        "--cluster-password-file=x",
        "--advertise=http://a",
        "--cluster-token-file=x",
    ] {
        let name = flag.split('=').next().unwrap();
        let error = read(flag, Durability::Fsync).unwrap_err();
        let expected = format!("--cluster is missing, which {name} needs\n");
        assert!(error.ends_with(&expected), "{error}");
    }
    if cfg!(not(feature = "etcd")) {
        let error = read("--cluster etcd://a --node a", Durability::Fsync).unwrap_err();
        assert!(error.contains("--features etcd"), "{error}");
        return;
    }
    for (line, durability, expected) in [
        ("etcd://a --node=a", Durability::Memory, "--durability memory"),
        ("etcd://a", Durability::Os, "--node is missing, which --cluster needs"),
        ("etcds://a --node=a", Durability::Os, "--cluster-ca is missing, which etcds:// needs"),
        ("etcd://a --node=a --cluster-ca=x --cluster-cert=x", Durability::Os, "--cluster-key"),
        ("etcd://a --node=a --cluster-ca=x --cluster-key=x", Durability::Os, "--cluster-cert"),
        ("etcd://a --node=a --cluster-cert=x --cluster-key=x", Durability::Os, "--cluster-ca"),
        ("etcd://a --node=a --cluster-user=x", Durability::Os, "--cluster-password-file is"),
        ("etcd://a --node=a --cluster-password-file=x", Durability::Os, "--cluster-user is"),
    ] {
        let error = read(&format!("--cluster {line}"), durability).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
    let config = read("--cluster etcd://a --node=a", Durability::Fsync).unwrap().unwrap();
    assert_eq!(config.policy, Policy { copies: 2, log_limit: 1 << 30, stride: STRIDE });
    assert_eq!((config.reads, config.node.as_str()), (Reads::Linearizable, "a"));
    assert_eq!(config.engine.endpoints, ["http://a:2379"]);
    let line = "--cluster etcd://a/x --node=a --cluster-ca=c --cluster-user=u \
                --cluster-password-file=p --reads=LOCAL --copies=3 --log-limit=9";
    let config = read(line, Durability::Os).unwrap().unwrap();
    assert_eq!(config.policy, Policy { copies: 3, log_limit: 9, stride: STRIDE });
    assert_eq!(config.reads, Reads::Local);
    assert_eq!(config.engine.endpoints, ["https://a:2379"]);
    assert_eq!(config.engine.prefix, "x/");
    assert_eq!(config.engine.user, Some(("u".to_owned(), "p".into())));
}
