//! HDFS: the same contracts as elsewhere, on a real NameNode and DataNode; and what only HDFS answers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;

use savepointd::protocol::stop::{Search, Secured};
use savepointd::report;
use savepointd::storage::{self, Created, Options, Storage};

use super::contract::hold;
use super::faults::suffer;
use super::prune::{one_that_fails_halfway_leaves_nothing_that_looks_whole, prunes};
use super::support::free_port;
use super::support::stores::Store;
use super::world::{World, run};

/// One cluster for all of it: two daemons in a JVM take their time to start.
#[test]
fn the_contract_holds_on_hdfs() {
    let store = Store::hdfs();
    run(async {
        hold(&World::of(&store)).await;
        suffer(&store).await;
        prunes(&store).await;
        one_that_fails_halfway_leaves_nothing_that_looks_whole(&store).await;
        a_file_is_no_directory_and_a_directory_no_file(&store).await;
        a_name_node_that_is_away_or_in_standby_is_passed_by(&store).await;
        who_may_not_write_is_told_by_whose_name(&store).await;
    });
}

async fn a_file_is_no_directory_and_a_directory_no_file(store: &Store) {
    let folder = World::of(store).place("kinds");
    folder.join("file").create(b"x".to_vec()).await.unwrap();
    folder.join("empty").create(Vec::new()).await.unwrap();
    assert!(folder.join("file").children().await.unwrap_err().to_string().contains("should be a directory"));
    assert_eq!(folder.stat().await.unwrap(), None);
    assert!(folder.read().await.unwrap_err().is_missing());
    assert_eq!(folder.join("empty").read().await.unwrap(), b"");
    // What was begun and lost leaves no directory behind.
    folder.delete_all().await.unwrap();
    let names = World::of(store).place("").children().await.unwrap().0;
    assert!(!names.contains(&"kinds".to_owned()), "{names:?}");
}

/// What answers everything in the same way; gives its address.
fn always(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // Ends with the test's process.
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            while lines.next().is_some_and(|line| !line.is_empty()) {}
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

const STANDBY: &str = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n\
    {\"RemoteException\":{\"exception\":\"StandbyException\",\"message\":\"Operation category READ is not supported\"}}";
const KERBEROS: &str = "HTTP/1.1 401 Authentication required\r\nwww-authenticate: Negotiate\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const NO_WEBHDFS: &str = "HTTP/1.1 404 Not Found\r\ncontent-length: 4\r\nconnection: close\r\n\r\nnope";

fn reached_at(addresses: &str) -> Storage {
    let options = Options { namenode: Some(addresses.to_owned()), ..Options::default() };
    Storage::new(options, std::iter::empty())
}

async fn a_name_node_that_is_away_or_in_standby_is_passed_by(store: &Store) {
    let addresses = format!("http://127.0.0.1:{},{},http://127.0.0.1:{}", free_port(), always(STANDBY), store.direct);
    let place = reached_at(&addresses).place("hdfs://service/state/standby").unwrap();
    assert_eq!(place.create(b"x".to_vec()).await.unwrap(), Created::Done);
    assert_eq!(place.create(b"y".to_vec()).await.unwrap(), Created::Exists);
    assert_eq!(place.read().await.unwrap(), b"x");
}

/// As `HttpFS` answers a file that is renamed to one that is there.
const NOT_DONE: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 17\r\nconnection: close\r\n\r\n{\"boolean\":false}";

#[test]
fn a_rename_that_was_not_done_is_not_taken_for_one() {
    let place = reached_at(&always(NOT_DONE)).place("hdfs://service/state/twice").unwrap();
    run(async {
        let created = place.create(b"x".to_vec()).await;
        assert!(!matches!(created, Ok(Created::Done)), "{created:?}");
    });
}

async fn who_may_not_write_is_told_by_whose_name(store: &Store) {
    let nobody = [("HADOOP_USER_NAME".to_owned(), "nobody".to_owned())];
    let storage = Storage::new(Options::default(), nobody.into_iter());
    let error = storage.place(&format!("{}/x", store.bucket)).unwrap().create(Vec::new()).await.unwrap_err();
    let text = report::chain(&error);
    assert!(!error.passes() && text.contains("HADOOP_USER_NAME") && text.contains("Permission denied"), "{text}");
}

#[test]
fn without_an_answer_of_hdfs_nothing_is_taken_for_absent() {
    run(async {
        let all_in_standby = reached_at(&always(STANDBY)).place("hdfs://service/state").unwrap();
        assert!(all_in_standby.children().await.unwrap_err().passes());
        let elsewhere = reached_at(&always(NO_WEBHDFS)).place("hdfs://service/state").unwrap();
        let error = elsewhere.stat().await.unwrap_err();
        assert!(!error.passes() && !error.is_missing() && error.to_string().contains("hdfs://service"), "{error:?}");
        let nobody = reached_at(&format!("http://127.0.0.1:{}", free_port())).place("hdfs://service/state").unwrap();
        let error = nobody.children().await.unwrap_err();
        assert!(error.passes() && report::chain(&error).contains("SAVEPOINTD_STORAGE__NAMENODE"), "{error:?}");

        // Kerberos: no build like this one gets an answer, and says so.
        let storage = reached_at(&always(KERBEROS));
        let error = storage.place("hdfs://service/state").unwrap().children().await.unwrap_err();
        assert!(error.is_beyond_reach() && !error.passes() && report::chain(&error).contains("Kerberos"), "{error:?}");
        let seen = storage::look(&storage, "hdfs://service/state/savepoint-1", None).await;
        assert!(
            matches!(&seen, Search::Found(Secured { doubt: Some(doubt), .. }) if doubt.contains("Kerberos")),
            "{seen:?}"
        );
    });
    let error = Storage::default().place("hdfs:///state").unwrap_err();
    assert!(error.to_string().contains("SAVEPOINTD_STORAGE__NAMENODE"), "{error}");
}
