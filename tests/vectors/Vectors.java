import java.io.DataInputStream;
import java.io.IOException;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.checkpoint.Checkpoints;
import org.apache.flink.runtime.checkpoint.OperatorState;
import org.apache.flink.runtime.checkpoint.metadata.CheckpointMetadata;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.runtime.state.StateObject;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * Makes one vector: runs a small job inside this JVM, takes the savepoint or checkpoint that is asked for, reads its
 * {@code _metadata} by Flink's own reader, and writes what that found.
 *
 * <p>{@code java Vectors WORK OUT WHAT}, where WHAT is words joined by {@code -}: one of {@code canonical},
 * {@code native}, {@code checkpoint}; {@code hashmap} or {@code rocksdb}; and any of {@code inlined}, {@code unaligned},
 * {@code changelog}, {@code memory}, {@code merged}, {@code across}, {@code finished}.
 *
 * <p>One source for Flink 1.15 to 2.3.
 */
public final class Vectors {

    private Vectors() {}

    public static void main(String[] args) throws Exception {
        Path work = Paths.get(args[0]).toAbsolutePath();
        Path out = Paths.get(args[1]).toAbsolutePath();
        Set<String> what = new TreeSet<>(Arrays.asList(args[2].split("-")));
        StreamExecutionEnvironment env =
                StreamExecutionEnvironment.createLocalEnvironment(2, configuration(work, what));
        env.setMaxParallelism(8);
        job(env, what);
        JobClient client = env.executeAsync("vectors");
        Path checkpoints = work.resolve("chk").resolve(client.getJobID().toString());
        Path point = checkpoint(checkpoints, what.contains("finished") ? 6 : 3);
        if (!what.contains("checkpoint")) {
            SavepointFormatType format =
                    what.contains("native") ? SavepointFormatType.NATIVE : SavepointFormatType.CANONICAL;
            String location = client.triggerSavepoint(work.resolve("sp").toUri().toString(), format).get();
            point = Paths.get(java.net.URI.create(location.replaceFirst("^file:/+", "file:///")));
        }
        client.cancel().get();
        write(point, out);
        // What MiniCluster leaves running must not keep this process.
        System.exit(0);
    }

    private static Configuration configuration(Path work, Set<String> what) {
        Configuration conf = new Configuration();
        String backend = what.contains("rocksdb") ? "rocksdb" : "hashmap";
        String checkpoints = work.resolve("chk").toUri().toString();
        String threshold = what.contains("inlined") ? "20 kb" : "0 b";
        String[][] options = {
            {"state.backend", backend},
            {"state.backend.type", backend},
            {"state.backend.incremental", "true"},
            {"execution.checkpointing.incremental", "true"},
            {"state.checkpoints.dir", checkpoints},
            {"execution.checkpointing.dir", checkpoints},
            {"state.checkpoint-storage", "filesystem"},
            {"execution.checkpointing.storage", "filesystem"},
            {"state.storage.fs.memory-threshold", threshold},
            {"execution.checkpointing.data-inline-threshold", threshold},
            {"execution.checkpointing.interval", what.contains("changelog") ? "700 ms" : "300 ms"},
            {"execution.checkpointing.externalized-checkpoint-retention", "RETAIN_ON_CANCELLATION"},
            {"execution.checkpointing.num-retained-checkpoints", "50"},
            {"state.checkpoints.num-retained", "50"},
            {"execution.checkpointing.unaligned", String.valueOf(what.contains("unaligned"))},
            {"execution.checkpointing.unaligned.enabled", String.valueOf(what.contains("unaligned"))},
            {"execution.checkpointing.file-merging.enabled", String.valueOf(what.contains("merged"))},
            {"execution.checkpointing.file-merging.across-checkpoint-boundary", String.valueOf(what.contains("across"))},
            {"state.backend.changelog.enabled", String.valueOf(what.contains("changelog"))},
            {"state.changelog.enabled", String.valueOf(what.contains("changelog"))},
            {"state.backend.changelog.storage", what.contains("memory") ? "memory" : "filesystem"},
            {"state.changelog.storage", what.contains("memory") ? "memory" : "filesystem"},
            {"state.backend.changelog.periodic-materialize.interval", "1 s"},
            {"state.changelog.periodic-materialize.interval", "1 s"},
            {"dstl.dfs.base-path", work.resolve("dstl").toUri().toString()},
            {"taskmanager.numberOfTaskSlots", "4"},
            {"taskmanager.memory.network.min", "64mb"},
            {"taskmanager.memory.network.max", "64mb"},
            {"taskmanager.memory.managed.size", "64mb"},
            {"io.tmp.dirs", work.resolve("tmp").toString()},
            {"rest.port", "0"},
        };
        for (String[] option : options) {
            conf.setString(option[0], option[1]);
        }
        return conf;
    }

    private static void job(StreamExecutionEnvironment env, Set<String> what) {
        boolean unaligned = what.contains("unaligned");
        boolean finished = what.contains("finished");
        env.fromSource(
                        new NumberSequenceSource(0, Long.MAX_VALUE - 1),
                        WatermarkStrategy.noWatermarks(),
                        "numbers",
                        Types.LONG)
                .uid("numbers")
                // unaligned: faster than what follows, so that records are under way
                .map(new Slow(unaligned ? 0 : 2, Long.MAX_VALUE))
                .returns(Types.LONG)
                .uid("slow")
                .keyBy(v -> v % 13, Types.LONG)
                .process(new Counter(unaligned ? 2 : 0, what.contains("inlined") ? 64 : 4096))
                .returns(Types.LONG)
                // beyond ASCII, in two and in four bytes of UTF-8
                .name("zählt 🐿")
                .uid("zähler-🐿")
                .rebalance()
                .map(new Modes())
                .returns(Types.LONG)
                // neither name nor uid of its own
                .setParallelism(1);
        if (finished) {
            long half = 5_000;
            env.fromSource(
                            new NumberSequenceSource(0, 9),
                            WatermarkStrategy.noWatermarks(),
                            "ends at once",
                            Types.LONG)
                    .uid("ends-at-once")
                    .map(new Slow(0, 0))
                    .returns(Types.LONG)
                    .uid("ends-as-well");
            env.fromSource(
                            new NumberSequenceSource(0, 2 * half - 1),
                            WatermarkStrategy.noWatermarks(),
                            "ends by halves",
                            Types.LONG)
                    .uid("ends-by-halves")
                    .map(new Slow(10, -half))
                    .returns(Types.LONG)
                    .uid("half");
        }
    }

    /** Waits after each record, below a limit or (if that is negative) from it upwards. */
    static final class Slow implements MapFunction<Long, Long> {
        private static final long serialVersionUID = 1L;
        private final long millis;
        private final long limit;

        Slow(long millis, long limit) {
            this.millis = millis;
            this.limit = limit;
        }

        @Override
        public Long map(Long v) throws InterruptedException {
            if (millis > 0 && (limit < 0 ? v >= -limit : v < limit)) {
                Thread.sleep(millis);
            }
            return v;
        }
    }

    /** Keyed state, and a timer for each key. */
    static final class Counter extends KeyedProcessFunction<Long, Long, Long> implements CheckpointedFunction {
        private static final long serialVersionUID = 1L;
        private final long millis;
        private final int bytes;
        private transient ValueState<Long> count;
        private transient ValueState<byte[]> ballast;

        Counter(long millis, int bytes) {
            this.millis = millis;
            this.bytes = bytes;
        }

        @Override
        public void initializeState(FunctionInitializationContext context) throws Exception {
            count = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("count", Types.LONG));
            ballast =
                    context.getKeyedStateStore()
                            .getState(
                                    new ValueStateDescriptor<>(
                                            "ballast", PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
        }

        @Override
        public void processElement(Long v, Context context, Collector<Long> out) throws Exception {
            Long before = count.value();
            if (before == null) {
                byte[] random = new byte[bytes];
                new Random(v).nextBytes(random);
                ballast.update(random);
                context.timerService().registerProcessingTimeTimer(Long.MAX_VALUE - 1);
            }
            count.update(before == null ? 1 : before + 1);
            if (millis > 0) {
                Thread.sleep(millis);
            }
            out.collect(v);
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) {}
    }

    /** Operator state of each mode. */
    static final class Modes implements MapFunction<Long, Long>, CheckpointedFunction {
        private static final long serialVersionUID = 1L;
        private transient ListState<Long> split;
        private transient ListState<Long> union;
        private transient long seen;

        @Override
        public void initializeState(FunctionInitializationContext context) throws Exception {
            split = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("split", Types.LONG));
            union = context.getOperatorStateStore().getUnionListState(new ListStateDescriptor<>("union", Types.LONG));
            context.getOperatorStateStore()
                    .getBroadcastState(new MapStateDescriptor<>("broadcast", Types.LONG, Types.LONG))
                    .put(1L, 2L);
        }

        @Override
        public Long map(Long v) throws InterruptedException {
            seen++;
            return v;
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            split.update(Arrays.asList(seen, seen + 1));
            union.update(Collections.singletonList(seen));
        }
    }

    /** Waits until a checkpoint of this number, or a later one, is complete. */
    private static Path checkpoint(Path checkpoints, int number) throws Exception {
        long end = System.currentTimeMillis() + 120_000;
        while (System.currentTimeMillis() < end) {
            for (int n = number; n < number + 100; n++) {
                Path point = checkpoints.resolve("chk-" + n);
                if (Files.exists(point.resolve("_metadata"))) {
                    return point;
                }
            }
            Thread.sleep(20);
        }
        throw new IllegalStateException("no checkpoint within two minutes in " + checkpoints);
    }

    private static final class FileSize {
        final long bytes;
        final boolean exact;

        FileSize(long bytes, boolean exact) {
            this.bytes = bytes;
            this.exact = exact;
        }
    }

    /** Writes what Flink's own reader says, after it was compared with what lies in storage. */
    private static void write(Path point, Path out) throws Exception {
        Path metadata = point.resolve("_metadata");
        CheckpointMetadata read;
        int version;
        try (DataInputStream in = new DataInputStream(Files.newInputStream(metadata))) {
            in.readInt();
            version = in.readInt();
        }
        try (DataInputStream in = new DataInputStream(Files.newInputStream(metadata))) {
            read =
                    Checkpoints.loadCheckpointMetadata(
                            in, Vectors.class.getClassLoader(), metadata.toUri().toString());
        }
        Comparator<String> relativeFirst = Comparator.comparing(path -> path.startsWith("file:"));
        Map<String, FileSize> files = new TreeMap<>(relativeFirst.thenComparing(Comparator.naturalOrder()));
        Set<Object> seen = Collections.newSetFromMap(new IdentityHashMap<>());
        List<String> operators = new ArrayList<>();
        long bytes = 0;
        for (OperatorState state : read.getOperatorStates()) {
            for (Object subtask : state.getSubtaskStates().values()) {
                walk(subtask, false, seen, files);
            }
            bytes += state.getStateSize();
            operators.add(
                    "{\"id\":" + json(state.getOperatorID().toString())
                            + ",\"name\":" + json(text(state, "getOperatorName"))
                            + ",\"uid\":" + json(text(state, "getOperatorUid"))
                            + ",\"parallelism\":" + state.getParallelism()
                            + ",\"max_parallelism\":" + state.getMaxParallelism()
                            + ",\"bytes\":" + state.getStateSize() + "}");
        }
        compare(point, files);
        StringBuilder text = new StringBuilder();
        text.append("{\n  \"version\": ").append(version);
        text.append(",\n  \"checkpoint_id\": ").append(read.getCheckpointId());
        text.append(",\n  \"bytes\": ").append(bytes);
        text.append(",\n  \"operators\": [\n    ").append(String.join(",\n    ", operators)).append("\n  ]");
        text.append(",\n  \"files\": [");
        String separator = "\n    ";
        for (Map.Entry<String, FileSize> file : files.entrySet()) {
            text.append(separator).append("{\"path\":").append(json(file.getKey()));
            text.append(",\"bytes\":").append(file.getValue().bytes);
            text.append(file.getValue().exact ? "}" : ",\"at_least\":true}");
            separator = ",\n    ";
        }
        text.append(files.isEmpty() ? "]\n}\n" : "\n  ]\n}\n");
        Files.createDirectories(out);
        Files.write(out.resolve("_metadata"), Files.readAllBytes(metadata));
        Files.write(out.resolve("expected.json"), text.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** Each file has its size, and nothing else lies beside {@code _metadata}. */
    private static void compare(Path point, Map<String, FileSize> files) throws IOException {
        for (Map.Entry<String, FileSize> file : files.entrySet()) {
            String name = file.getKey();
            Path path = name.startsWith("file:") ? Paths.get(name.replaceFirst("^file:/+", "/")) : point.resolve(name);
            long size = Files.size(path);
            FileSize expected = file.getValue();
            if (expected.exact ? size != expected.bytes : size < expected.bytes) {
                throw new IllegalStateException(path + " has " + size + " bytes, not " + expected.bytes);
            }
        }
        try (Stream<Path> entries = Files.list(point)) {
            Set<String> beside = entries.map(path -> path.getFileName().toString()).collect(Collectors.toSet());
            beside.remove("_metadata");
            for (String name : files.keySet()) {
                beside.remove(name.startsWith("file:") ? name.substring(name.lastIndexOf('/') + 1) : name);
            }
            if (!beside.isEmpty()) {
                throw new IllegalStateException("nobody refers to " + beside + " in " + point);
            }
        }
    }

    /** Every file handle that an object of Flink's can reach. */
    private static void walk(Object object, boolean changelog, Set<Object> seen, Map<String, FileSize> files)
            throws Exception {
        if (object == null || !seen.add(object)) {
            return;
        }
        if (object instanceof Map) {
            walk(((Map<?, ?>) object).values(), changelog, seen, files);
        } else if (object instanceof Optional) {
            walk(((Optional<?>) object).orElse(null), changelog, seen, files);
        } else if (object instanceof Collection) {
            for (Object element : (Collection<?>) object) {
                walk(element, changelog, seen, files);
            }
        } else if (object.getClass().getName().startsWith("org.apache.flink.")) {
            switch (object.getClass().getSimpleName()) {
                case "RelativeFileStateHandle":
                    add(files, (String) get(object, "getRelativePath"), changelog ? 1 : size(object), !changelog);
                    return;
                case "FileStateHandle":
                    // A changelog's file is counted before it is compressed: all that is known is that it is not empty.
                    add(files, get(object, "getFilePath").toString(), changelog ? 1 : size(object), !changelog);
                    return;
                case "SegmentFileStateHandle":
                    add(files, get(object, "getFilePath").toString(), (long) get(object, "getStartPos") + size(object), false);
                    return;
                case "ChangelogStateHandleStreamImpl":
                    changelog = true;
                    break;
                case "EmptySegmentFileStateHandle":
                case "DirectoryStreamStateHandle":
                    return;
                default:
            }
            for (Class<?> type = object.getClass(); type != Object.class; type = type.getSuperclass()) {
                for (Field field : type.getDeclaredFields()) {
                    if (!Modifier.isStatic(field.getModifiers()) && !field.getType().isPrimitive()) {
                        field.setAccessible(true);
                        walk(field.get(object), changelog, seen, files);
                    }
                }
            }
        }
    }

    private static long size(Object handle) {
        return ((StateObject) handle).getStateSize();
    }

    private static void add(Map<String, FileSize> files, String path, long bytes, boolean exact) {
        FileSize known = files.get(path);
        if (known == null || known.bytes < bytes) {
            files.put(path, new FileSize(bytes, exact));
        }
    }

    private static Object get(Object object, String getter) throws Exception {
        Method method = object.getClass().getMethod(getter);
        method.setAccessible(true);
        return method.invoke(object);
    }

    /** Names and uids came with Flink 2.0. */
    private static String text(OperatorState state, String getter) throws Exception {
        try {
            return (String) ((Optional<?>) OperatorState.class.getMethod(getter).invoke(state)).orElse(null);
        } catch (NoSuchMethodException e) {
            return null;
        }
    }

    private static String json(String text) {
        return text == null ? "null" : "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }
}
