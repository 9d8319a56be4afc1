//! Real stack traces, shortened to their causes and the frames that matter, and those of outages.

use super::*;

/// What Flink 1.15.4, 1.20.5 and 2.3.0 say, in the same words but for frames' line numbers.
const UID_CHANGED: &str = "org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.
\tat org.apache.flink.runtime.jobmaster.DefaultJobMasterServiceProcess.lambda$new$0(DefaultJobMasterServiceProcess.java:97)
Caused by: java.util.concurrent.CompletionException: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint file:/sp/uid. Cannot map checkpoint/savepoint state for operator 0da08f51eaa85fc298e176a139b3649a to the new program, because the operator is not available in the new program. If you want to allow to skip this, you can set the --allowNonRestoredState option on the CLI.
\tat java.base/java.util.concurrent.CompletableFuture.encodeThrowable(CompletableFuture.java:314)
Caused by: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint file:/sp/uid. Cannot map checkpoint/savepoint state for operator 0da08f51eaa85fc298e176a139b3649a to the new program, because the operator is not available in the new program. If you want to allow to skip this, you can set the --allowNonRestoredState option on the CLI.
\tat org.apache.flink.runtime.checkpoint.Checkpoints.throwNonRestoredStateException(Checkpoints.java:240)
\t... 4 more
";
const MAX_PARALLELISM_CHANGED: &str = "org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.
Caused by: java.util.concurrent.CompletionException: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint Checkpoint Metadata. Max parallelism mismatch between checkpoint/savepoint state and new program. Cannot map operator 0da08f51eaa85fc298e176a139b3649a with max parallelism 128 to new program with max parallelism 64. This indicates that the program has been changed in a non-compatible way after the checkpoint/savepoint.
Caused by: java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint Checkpoint Metadata. Max parallelism mismatch between checkpoint/savepoint state and new program. Cannot map operator 0da08f51eaa85fc298e176a139b3649a with max parallelism 128 to new program with max parallelism 64. This indicates that the program has been changed in a non-compatible way after the checkpoint/savepoint.
";
/// 1.20.5, in a task; the job restarts for ever.
const TYPE_CHANGED: &str = "java.lang.RuntimeException: Error while getting state
\tat org.apache.flink.runtime.state.DefaultKeyedStateStore.getState(DefaultKeyedStateStore.java:76)
Caused by: org.apache.flink.util.StateMigrationException: For heap backends, the new state serializer (org.apache.flink.api.common.typeutils.base.StringSerializer@6117e9bd) must not be incompatible with the old state serializer (org.apache.flink.api.common.typeutils.base.LongSerializer@d356826).
\tat org.apache.flink.runtime.state.heap.HeapKeyedStateBackend.tryRegisterStateTable(HeapKeyedStateBackend.java:240)
";
const FILE_MISSING: &str = "java.lang.Exception: Exception while creating StreamOperatorStateContext.
\tat org.apache.flink.streaming.api.operators.StreamTaskStateInitializerImpl.streamOperatorStateContext(StreamTaskStateInitializerImpl.java:330)
Caused by: org.apache.flink.util.FlinkException: Could not restore keyed state backend for KeyedProcessOperator_0da08f51eaa85fc298e176a139b3649a_(1/1) from any of the 1 provided restore options.
Caused by: org.apache.flink.runtime.state.BackendBuildingException: Failed when trying to restore heap backend
Caused by: java.io.FileNotFoundException: /sp/nofile/5304d65b-601a-498e-ac06-3c58806eced6 (No such file or directory)
";
const FILE_TRUNCATED: &str = "java.lang.Exception: Exception while creating StreamOperatorStateContext.
Caused by: org.apache.flink.util.FlinkException: Could not restore keyed state backend for KeyedProcessOperator_0da08f51eaa85fc298e176a139b3649a_(1/1) from any of the 1 provided restore options.
Caused by: org.apache.flink.runtime.state.BackendBuildingException: Failed when trying to restore heap backend
Caused by: java.io.EOFException
";
const METADATA_MISSING: &str = "org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.
Caused by: java.util.concurrent.CompletionException: java.lang.RuntimeException: java.io.FileNotFoundException: Cannot find meta data file '_metadata' in directory 'file:/sp/nometa'. Please try to load the checkpoint/savepoint directly from the metadata file instead of the directory.
Caused by: java.lang.RuntimeException: java.io.FileNotFoundException: Cannot find meta data file '_metadata' in directory 'file:/sp/nometa'. Please try to load the checkpoint/savepoint directly from the metadata file instead of the directory.
Caused by: java.io.FileNotFoundException: Cannot find meta data file '_metadata' in directory 'file:/sp/nometa'. Please try to load the checkpoint/savepoint directly from the metadata file instead of the directory.
";
const METADATA_TRUNCATED: &str =
    "org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.
Caused by: java.util.concurrent.CompletionException: java.lang.RuntimeException: java.io.EOFException
Caused by: java.io.EOFException
\tat org.apache.flink.runtime.checkpoint.Checkpoints.loadCheckpointMetadata(Checkpoints.java:119)
";
const NEWER_METADATA: &str = "org.apache.flink.runtime.client.JobInitializationException: Could not start the JobMaster.
Caused by: java.util.concurrent.CompletionException: java.lang.IllegalArgumentException: Unrecognized checkpoint version number: 99
Caused by: java.lang.IllegalArgumentException: Unrecognized checkpoint version number: 99
\tat org.apache.flink.runtime.checkpoint.metadata.MetadataSerializers.getSerializer(MetadataSerializers.java:58)
";

#[test]
fn what_the_point_or_the_program_is_to_blame_for_has_a_class_and_flinks_words() {
    for (trace, class, reason) in [
        (
            UID_CHANGED,
            FailureClass::Incompatible,
            "java.lang.IllegalStateException: Failed to rollback to checkpoint/savepoint file:/sp/uid. Cannot map",
        ),
        (MAX_PARALLELISM_CHANGED, FailureClass::Incompatible, "Max parallelism mismatch"),
        (TYPE_CHANGED, FailureClass::Incompatible, "org.apache.flink.util.StateMigrationException: For heap backends"),
        (FILE_MISSING, FailureClass::Unreadable, "restore options: java.io.FileNotFoundException: /sp/nofile/5304d65b"),
        (
            FILE_TRUNCATED,
            FailureClass::Unreadable,
            "Could not restore keyed state backend for KeyedProcessOperator_0da08f51eaa85fc298e176a139b3649a_(1/1) from any of the 1 provided restore options: java.io.EOFException",
        ),
        (
            METADATA_MISSING,
            FailureClass::Unreadable,
            "java.io.FileNotFoundException: Cannot find meta data file '_metadata'",
        ),
        (METADATA_TRUNCATED, FailureClass::Unreadable, "Flink can't read its _metadata: java.io.EOFException"),
        (
            NEWER_METADATA,
            FailureClass::Unreadable,
            "java.lang.IllegalArgumentException: Unrecognized checkpoint version number: 99",
        ),
    ] {
        let failure = classify(trace).unwrap_or_else(|| panic!("not seen: {trace}"));
        assert_eq!(failure.class, class, "{trace}");
        assert!(failure.reason.contains(reason), "{}", failure.reason);
        assert!(!failure.reason.contains("CompletionException"), "{}", failure.reason);
    }
}

#[test]
fn what_passes_is_not_the_points_fault_though_state_could_not_be_read_meanwhile() {
    let restoring = FILE_MISSING.lines().take(4).collect::<Vec<_>>().join("\n");
    for cause in [
        "java.net.ConnectException: Connection refused (Connection refused)",
        "java.net.SocketTimeoutException: Read timed out",
        "com.amazonaws.services.s3.model.AmazonS3Exception: Please reduce your request rate. (Service: Amazon S3; Status Code: 503; Error Code: SlowDown)",
        "com.amazonaws.services.s3.model.AmazonS3Exception: Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)",
        "java.io.FileNotFoundException: /sp/x (Permission denied)",
        "java.io.FileNotFoundException: /tmp/rocksdb/x (Too many open files)",
        "java.io.IOException: No space left on device",
        "java.lang.OutOfMemoryError: Java heap space",
    ] {
        assert_eq!(classify(&format!("{restoring}\nCaused by: {cause}\n")), None, "{cause}");
    }
    assert!(classify(&format!("{restoring}\nCaused by: java.io.StreamCorruptedException\n")).is_some());
}

#[test]
fn what_has_nothing_to_do_with_state_has_no_class() {
    for trace in [
        "",
        "org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment. Call: describeTopics",
        "org.apache.flink.runtime.jobmanager.scheduler.NoResourceAvailableException: Could not acquire the minimum required resources.",
        "java.lang.IllegalStateException: asked to by the control file 'throw', at value 7\n\tat SeqJob$Counter.processElement(SeqJob.java:1)\n\tat org.apache.flink.util.StateMigrationException.not(A.java:1)",
        "org.apache.flink.runtime.JobException: Recovery is suppressed by NoRestartBackoffTimeStrategy\nCaused by: java.lang.ArithmeticException: / by zero",
    ] {
        assert_eq!(classify(trace), None, "{trace}");
    }
}

#[test]
fn flinks_words_are_kept_short() {
    let failure = classify(&format!("org.apache.flink.util.StateMigrationException: {}", "ä".repeat(5_000))).unwrap();
    assert_eq!(failure.reason.chars().count(), LONGEST);
}
