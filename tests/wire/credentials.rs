//! How each store's clients come by their credentials, as their own tools do: whoever gives them out is scripted, and so is the store.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use savepointd::report;
use savepointd::storage::{Options, Storage};

use crate::support::free_port;
use crate::support::process::binary;
use crate::world::Said;

/// Method and beginning of the target; status; body.
type Answer = (&'static str, u16, &'static str);

/// An empty bucket of any store, and whatever else is scripted, on one port.
struct Cloud {
    port: u16,
    log: Arc<Mutex<Vec<String>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Cloud {
    fn start(answers: &[Answer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cloud = Self { port, log: Arc::default(), answers: Arc::new(Mutex::new(answers.to_vec())) };
        let (log, answers) = (Arc::clone(&cloud.log), Arc::clone(&cloud.answers));
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answers = answers.lock().unwrap().clone();
                let asked = answer(stream, &answers);
                log.lock().unwrap().extend(asked);
            }
        });
        cloud
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The request that begins so: its head and body, in lower case but for the values.
    #[track_caller]
    fn asked(&self, begin: &str) -> String {
        let log = self.log.lock().unwrap();
        log.iter().find(|request| request.starts_with(begin)).unwrap_or_else(|| panic!("{begin} in {log:#?}")).clone()
    }
}

/// Reads one request and answers it; gives the request.
fn answer(mut stream: TcpStream, answers: &[Answer]) -> Option<String> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some((_, value)) = line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        {
            length = value.trim().parse().ok()?;
        }
        text += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    text += &String::from_utf8_lossy(&body);
    let known = answers.iter().find(|(begin, ..)| text.starts_with(begin));
    let empty = "<?xml version=\"1.0\"?><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>";
    let none = "<?xml version=\"1.0\"?><EnumerationResults><Blobs></Blobs><NextMarker/></EnumerationResults>";
    let (status, body) = match known {
        Some((_, status, body)) => (*status, *body),
        None if text.contains("comp=list") => (200, none),
        None if text.contains("list-type=2") => (200, empty),
        None => (404, ""),
    };
    let head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).ok()?;
    Some(text)
}

/// `verify`, of what is not there: it is told to be absent when store and credentials are as they should be.
fn verify(url: &str, variables: &[(&str, &str)]) -> Said {
    let mut command = Command::new(binary());
    command.env_clear().envs(variables.iter().copied()).args(["verify", url]);
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Said { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

#[track_caller]
fn absent(said: &Said) {
    assert!(said.code == 65 && said.out.contains("has no _metadata"), "{said:?}");
}

const S3: &str = "s3://state/savepoint-1";
const AWS: &str =
    r#"{"AccessKeyId":"ASIATESTED","SecretAccessKey":"s","Token":"session","Expiration":"2099-01-01T00:00:00Z"}"#;
const ASSUMED: &str = "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
    <AccessKeyId>ASIATESTED</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>session</SessionToken>\
    <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
    </AssumeRoleWithWebIdentityResponse>";

/// The store was shown the credentials that were given out.
#[track_caller]
fn signed_with_what_was_given(cloud: &Cloud) {
    let request = cloud.asked("HEAD /state/savepoint");
    assert!(
        request.contains("Credential=ASIATESTED/") && request.contains("x-amz-security-token: session"),
        "{request}"
    );
}

fn token(dir: &Path) -> String {
    std::fs::write(dir.join("token"), "the-pods-token").unwrap();
    dir.join("token").display().to_string()
}

#[test]
fn s3_by_web_identity() {
    let (dir, cloud) = (tempfile::tempdir().unwrap(), Cloud::start(&[("POST /sts", 200, ASSUMED)]));
    let (token, sts, store) = (token(dir.path()), cloud.url("/sts"), cloud.url(""));
    let variables = |sts| {
        [
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.as_str()),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/flink"),
            ("AWS_ENDPOINT_URL_STS", sts),
            ("AWS_ENDPOINT_URL_S3", store.as_str()),
            ("AWS_REGION", "eu-central-1"),
        ]
    };
    absent(&verify(S3, &variables(&sts)));
    let assumed = cloud.asked("POST /sts");
    for words in ["Action=AssumeRoleWithWebIdentity", "role%2Fflink", "WebIdentityToken=the-pods-token"] {
        assert!(assumed.contains(words), "{assumed}");
    }
    signed_with_what_was_given(&cloud);
    // Who is refused is told by whose token.
    let refused = Cloud::start(&[("POST /sts", 403, "<Error><Code>AccessDenied</Code></Error>")]);
    let said = verify(S3, &variables(&refused.url("/sts")));
    assert!(said.code == 77 && format!("{said:?}").contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{said:?}");
}

#[test]
fn s3_by_the_pods_identity() {
    let (dir, cloud) = (tempfile::tempdir().unwrap(), Cloud::start(&[("GET /credentials", 200, AWS)]));
    let (token, credentials, store) = (token(dir.path()), cloud.url("/credentials"), cloud.url(""));
    let variables = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", credentials.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.as_str()),
        ("AWS_ENDPOINT_URL", store.as_str()),
    ];
    absent(&verify(S3, &variables));
    assert!(cloud.asked("GET /credentials").contains("authorization: the-pods-token"));
    signed_with_what_was_given(&cloud);
}

#[test]
fn s3_by_the_instances_role() {
    let cloud = Cloud::start(&[
        ("PUT /latest/api/token", 200, "imds-token"),
        ("GET /latest/meta-data/iam/security-credentials/flink", 200, AWS),
        ("GET /latest/meta-data/iam/security-credentials/", 200, "flink"),
    ]);
    let url = cloud.url("");
    absent(&verify(S3, &[("AWS_METADATA_ENDPOINT", &url), ("AWS_ENDPOINT_URL", &url)]));
    let asked = cloud.asked("GET /latest/meta-data/iam/security-credentials/flink");
    assert!(asked.contains("x-aws-ec2-metadata-token: imds-token"), "{asked}");
    signed_with_what_was_given(&cloud);
    // Nothing is set, and nobody gives anything out.
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let said = verify(S3, &[("AWS_METADATA_ENDPOINT", &nobody), ("AWS_ENDPOINT_URL", &url)]);
    assert!(said.code == 75, "{said:?}");
    assert!(format!("{said:?}").contains("the instance's role, as none of AWS_ACCESS_KEY_ID"), "{said:?}");
}

#[test]
fn what_who_gives_credentials_out_does_not_know_tells_nothing_of_an_object() {
    // Credentials that are about to expire are asked for each time.
    let soon: &'static str =
        r#"{"AccessKeyId":"ASIATESTED","SecretAccessKey":"s","Token":"t","Expiration":"2020-01-01T00:00:00Z"}"#;
    let role = "GET /latest/meta-data/iam/security-credentials/";
    let cloud = Cloud::start(&[
        ("PUT /latest/api/token", 200, "imds-token"),
        ("GET /latest/meta-data/iam/security-credentials/flink", 200, soon),
        (role, 200, "flink"),
    ]);
    let variables = ["AWS_METADATA_ENDPOINT", "AWS_ENDPOINT_URL"].map(|name| (name.to_owned(), cloud.url("")));
    let storage = Storage::new(Options::default(), variables.into_iter());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let place = storage.place("s3://state/x").unwrap();
        assert_eq!(place.stat().await.unwrap(), None, "the bucket is there, the object is not");
        // The role is taken away: 404, of the role.
        cloud.answers.lock().unwrap().clear();
        for error in
            [place.stat().await.unwrap_err(), place.delete().await.unwrap_err(), place.read().await.unwrap_err()]
        {
            assert!(!error.is_missing(), "{error:?}");
        }
        let error = place.children().await.unwrap_err();
        assert!(!report::chain(&error).contains("does not exist"), "{error:?}");
    });
}

#[test]
fn google_by_the_metadata_server() {
    let granted = r#"{"access_token":"given-by-google","expires_in":3600,"token_type":"Bearer"}"#;
    let cloud = Cloud::start(&[("GET /computeMetadata/v1/instance/service-accounts/default/token", 200, granted)]);
    let (host, store) = (format!("127.0.0.1:{}", cloud.port), cloud.url(""));
    absent(&verify("gs://state/savepoint-1", &[("GCE_METADATA_HOST", &host), ("GOOGLE_BASE_URL", &store)]));
    assert!(cloud.asked("GET /computeMetadata").contains("metadata-flavor: Google"));
    let request = cloud.asked("HEAD /state/savepoint");
    assert!(request.contains("authorization: Bearer given-by-google"), "{request}");
    let nobody = format!("127.0.0.1:{}", free_port());
    let away = [("GCE_METADATA_HOST", nobody.as_str()), ("GCE_METADATA_IP", &nobody), ("GOOGLE_BASE_URL", &store)];
    let said = verify("gs://state/savepoint-1", &away);
    assert!(said.code == 75 && format!("{said:?}").contains("GOOGLE_APPLICATION_CREDENTIALS"), "{said:?}");
}

#[test]
fn google_by_a_service_accounts_file() {
    let (dir, cloud) = (tempfile::tempdir().unwrap(), Cloud::start(&[]));
    let mut command = Command::new("openssl");
    command.args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]).stderr(Stdio::null());
    let key = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let account = serde_json::json!({
        "type": "service_account", "private_key": key, "private_key_id": "key-1",
        "client_email": "flink@acme.iam.gserviceaccount.com", "client_id": "1",
    });
    let file = dir.path().join("account.json");
    std::fs::write(&file, account.to_string()).unwrap();
    let (file, store) = (file.display().to_string(), cloud.url(""));
    for name in ["GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"] {
        absent(&verify("gs://state/savepoint-1", &[(name, &file), ("GOOGLE_BASE_URL", &store)]));
    }
    // The account signs for itself: nobody is asked for a token.
    let request = cloud.asked("HEAD /state/savepoint");
    assert!(request.contains("authorization: Bearer eyJ"), "{request}");
    assert!(cloud.log.lock().unwrap().iter().all(|request| !request.starts_with("POST")));
    let said = verify(
        "gs://state/savepoint-1",
        &[("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere"), ("GOOGLE_BASE_URL", &store)],
    );
    assert!(said.code == 77 && format!("{said:?}").contains("GOOGLE_APPLICATION_CREDENTIALS"), "{said:?}");
}

const AZURE: &str = "abfss://state@acme.dfs.core.windows.net/savepoint-1";
const GRANTED: &str = r#"{"access_token":"given-by-azure","expires_in":3600,"token_type":"Bearer","expires_on":"4070908800","resource":"r"}"#;

#[test]
fn azure_by_workload_identity_and_by_a_clients_secret() {
    let (dir, cloud) =
        (tempfile::tempdir().unwrap(), Cloud::start(&[("POST /tenant-1/oauth2/v2.0/token", 200, GRANTED)]));
    let (token, authority) = (token(dir.path()), cloud.url(""));
    let common = [
        ("AZURE_CLIENT_ID", "client-1"),
        ("AZURE_TENANT_ID", "tenant-1"),
        ("AZURE_AUTHORITY_HOST", &authority),
        ("AZURE_STORAGE_ENDPOINT", &authority),
    ];
    for (own, words) in [
        (("AZURE_FEDERATED_TOKEN_FILE", token.as_str()), "client_assertion=the-pods-token"),
        (("AZURE_CLIENT_SECRET", "hush"), "client_secret=hush"),
    ] {
        cloud.log.lock().unwrap().clear();
        absent(&verify(AZURE, &[&common[..], &[own]].concat()));
        let login = cloud.asked("POST /tenant-1/oauth2/v2.0/token");
        assert!(login.contains("client_id=client-1") && login.contains(words), "{login}");
        let request = cloud.asked("HEAD /state/savepoint");
        assert!(request.contains("authorization: Bearer given-by-azure"), "{request}");
    }
    let refused = Cloud::start(&[("POST /tenant-1", 401, r#"{"error":"invalid_client"}"#)]);
    let elsewhere = refused.url("");
    let own = [("AZURE_AUTHORITY_HOST", elsewhere.as_str()), ("AZURE_FEDERATED_TOKEN_FILE", &token)];
    let said = verify(AZURE, &[&common[..], &own].concat());
    assert!(said.code == 77 && format!("{said:?}").contains("AZURE_FEDERATED_TOKEN_FILE"), "{said:?}");
}

#[test]
fn azure_by_a_signature_by_a_key_and_by_the_managed_identity() {
    let cloud = Cloud::start(&[("GET /identity", 200, GRANTED)]);
    let (store, identity) = (cloud.url(""), cloud.url("/identity"));
    let shown = |own: (&str, &str)| {
        cloud.log.lock().unwrap().clear();
        absent(&verify(AZURE, &[own, ("AZURE_STORAGE_ENDPOINT", &store)]));
        cloud.asked("HEAD /state/savepoint")
    };
    let signed = shown(("AZURE_STORAGE_SAS_TOKEN", "?sv=2024-11-04&sp=rl&sig=c2lnbmVk"));
    assert!(signed.contains("sig=c2lnbmVk") && !signed.contains("authorization:"), "{signed}");
    let by_key = shown(("AZURE_STORAGE_ACCOUNT_KEY", "aHVzaA=="));
    assert!(by_key.contains("authorization: SharedKey acme:") && !by_key.contains("aHVzaA"), "{by_key}");
    for name in ["AZURE_MSI_ENDPOINT", "MSI_ENDPOINT"] {
        let managed = shown((name, &identity));
        assert!(managed.contains("authorization: Bearer given-by-azure"), "{managed}");
        assert!(cloud.asked("GET /identity").contains("metadata: true"));
    }
}
