import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.MapFunction;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.connector.source.lib.NumberSequenceSource;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * The job of the tests against a real Flink: it counts, and checks itself record by record.
 *
 * <p>The source emits 0, 1, 2, …; each value is keyed by {@code v % 7}; the counter of a key counts its values. As
 * nothing is lost and nothing is seen twice exactly when source position and keyed state are of one and the same
 * snapshot, the counter must stand at {@code v / 7 + 1} whenever it sees v. It writes one line per record:
 *
 * <pre>v key count ok|MISMATCH</pre>
 *
 * to {@code <out>/<start time>-<random>.log}. Each start of the counting task opens a new file, so the files in lexical
 * order are the attempts in order, and a test reads from them where an attempt began (first line: 0 is a fresh start)
 * and where it ended (last line). After a stop with savepoint the next file goes on with the next value. After a crash
 * it goes back to the last checkpoint: then values are there twice, by design, but each attempt is without a gap.
 *
 * <p>Arguments, each as {@code --key value}:
 *
 * <ul>
 *   <li>{@code out DIR}: where the lines go. Required.
 *   <li>{@code ctl DIR}: where the control files (below) are looked for. Without it there is no outside control.
 *   <li>{@code rate N}: records per second (500).
 *   <li>{@code count N}: end after N records (default: practically never).
 *   <li>{@code checkpoint-interval MS}: set in the program, over the configuration (default: left as configured).
 *   <li>{@code retention retain|delete|none}: what becomes of checkpoints when the job is cancelled; set in the
 *       program, over the configuration (default: left as configured).
 *   <li>{@code state-bytes N}: random bytes to keep in keyed state beside the counters, so that snapshots have files
 *       and take time (0). Spread over the seven keys, written when a key is first seen, verified after each restore.
 *   <li>{@code name NAME}: the name of the job (seqjob).
 *   <li>{@code uid UID}: the uid of the counting operator (counter). With another one its state finds no operator.
 *   <li>{@code count-type long|text}: as what the counters are declared (long). As text their state can't be restored,
 *       and nothing can be counted.
 *   <li>{@code tally UID}: count once more, in an operator of this uid before the counting one (default: there is none).
 *       Each start of its task writes what it counted first, {@code v count}, to a file of its own in {@code <out>-tally}.
 *   <li>{@code parallelism N}: of the counting operators (1). Each of their tasks writes a file of its own.
 *   <li>{@code twin NAME}: submit the same job once more, of this name, writing to {@code <out>-twin} (default: there is none).
 * </ul>
 *
 * <p>Control files in {@code ctl}; their content is a number of milliseconds where one is needed:
 *
 * <ul>
 *   <li>{@code slowmain}: sleep in main() before the job is submitted.
 *   <li>{@code slowinit}: sleep when the counting task starts.
 *   <li>{@code slowsnap}: sleep in each snapshot.
 *   <li>{@code failsnap}: fail each snapshot while the file is there.
 *   <li>{@code throw}: throw while processing a record; the file is removed first, so it works once.
 *   <li>{@code grow}: a number of bytes up to which keyed state grows, by at most 64 KiB with each record.
 * </ul>
 *
 * <p>One source for Flink 1.15 to 2.3. Hence no {@code open()} (its parameter changed in 2.0), no sink (the package of
 * DiscardingSink changed), no ParameterTool (moved), and retention by configuration key (the enum was renamed).
 */
public final class SeqJob {

    static final int KEYS = 7;

    private static final Set<String> ARGUMENTS =
            new TreeSet<>(
                    Arrays.asList(
                            "out", "ctl", "rate", "count", "checkpoint-interval", "retention", "state-bytes", "name", "uid",
                            "count-type", "tally", "parallelism", "twin"));

    private SeqJob() {}

    public static void main(String[] args) throws Exception {
        Map<String, String> given = parse(args);
        String out = given.get("out");
        if (out == null) {
            throw new IllegalArgumentException("--out DIR is required");
        }
        String ctl = given.get("ctl");

        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        if (given.containsKey("checkpoint-interval")) {
            env.enableCheckpointing(number(given, "checkpoint-interval", 0));
        }
        if (given.containsKey("retention")) {
            // env.configure() writes into the CheckpointConfig just as a program that calls its setter does.
            Configuration conf = new Configuration();
            conf.setString("execution.checkpointing.externalized-checkpoint-retention", retention(given.get("retention")));
            env.configure(conf, SeqJob.class.getClassLoader());
        }
        // One task of each kind and one channel between them: the order of the lines is the order of the values.
        env.setParallelism(1);
        new Control(ctl).sleep("slowmain");
        if (given.containsKey("twin")) {
            define(env, given, out + "-twin");
            env.executeAsync(given.get("twin"));
        }
        define(env, given, out);
        env.execute(given.getOrDefault("name", "seqjob"));
    }

    private static void define(StreamExecutionEnvironment env, Map<String, String> given, String out) {
        String ctl = given.get("ctl");
        long rate = number(given, "rate", 500);
        // not Long.MAX_VALUE: from + count must not overflow inside the source
        long count = number(given, "count", Long.MAX_VALUE - 1);
        long stateBytes = number(given, "state-bytes", 0);
        int parallelism = Math.toIntExact(number(given, "parallelism", 1));

        DataStream<Long> values =
                env.fromSource(
                                new NumberSequenceSource(0, count - 1),
                                WatermarkStrategy.noWatermarks(),
                                "sequence",
                                Types.LONG)
                        .uid("sequence")
                        .map(new Throttle(rate))
                        .returns(Types.LONG)
                        .name("throttle")
                        .uid("throttle");
        if (given.containsKey("tally")) {
            values =
                    values.keyBy(v -> v % KEYS, Types.LONG)
                            .process(new Tally(out + "-tally"))
                            .returns(Types.LONG)
                            .name("tally")
                            .uid(given.get("tally"))
                            .setParallelism(parallelism);
        }
        values.keyBy(v -> v % KEYS, Types.LONG)
                .process(new Counter(out, ctl, stateBytes, given.getOrDefault("count-type", "long")))
                .returns(Types.VOID)
                .name("counter")
                .uid(given.getOrDefault("uid", "counter"))
                .setParallelism(parallelism);
    }

    private static Map<String, String> parse(String[] args) {
        Map<String, String> given = new HashMap<>();
        for (int i = 0; i < args.length; i += 2) {
            String key = args[i].startsWith("--") ? args[i].substring(2) : "";
            if (!ARGUMENTS.contains(key) || i + 1 == args.length) {
                // Strict, so that a Flink option in the wrong place does not vanish among the program arguments.
                throw new IllegalArgumentException(
                        "not understood: '" + args[i] + "'; known: --" + String.join(" V, --", ARGUMENTS) + " V");
            }
            given.put(key, args[i + 1]);
        }
        return given;
    }

    private static long number(Map<String, String> given, String key, long otherwise) {
        String text = given.get(key);
        if (text == null) {
            return otherwise;
        }
        long n = Long.parseLong(text);
        if (n < 0 || (n == 0 && !key.equals("state-bytes"))) {
            throw new IllegalArgumentException("--" + key + " " + text + ": must be positive");
        }
        return n;
    }

    private static String retention(String word) {
        switch (word.toLowerCase(Locale.ROOT)) {
            case "retain":
                return "RETAIN_ON_CANCELLATION";
            case "delete":
                return "DELETE_ON_CANCELLATION";
            case "none":
                return "NO_EXTERNALIZED_CHECKPOINTS";
            default:
                throw new IllegalArgumentException("--retention " + word + ": must be retain, delete or none");
        }
    }

    /** A file of its own for each start of a task; in lexical order they are the starts in order. */
    static FileOutputStream newFile(String dir) throws IOException {
        String random = UUID.randomUUID().toString().substring(0, 8);
        String name = String.format(Locale.ROOT, "%015d-%s.log", System.currentTimeMillis(), random);
        return new FileOutputStream(Files.createDirectories(Paths.get(dir)).resolve(name).toFile(), true);
    }

    /** The control files of one directory. */
    static final class Control {
        private final Path dir;

        Control(String dir) {
            this.dir = dir == null ? null : Paths.get(dir);
        }

        boolean present(String name) {
            return dir != null && Files.exists(dir.resolve(name));
        }

        /** Removes the file; true for the one who did. */
        boolean take(String name) throws IOException {
            return dir != null && Files.deleteIfExists(dir.resolve(name));
        }

        /** The number in the file; 0 while there is none. */
        long read(String name) throws IOException {
            try {
                String text = new String(Files.readAllBytes(dir.resolve(name)), StandardCharsets.UTF_8).trim();
                return text.isEmpty() ? 0 : Long.parseLong(text);
            } catch (NoSuchFileException e) {
                return 0;
            }
        }

        /** Sleeps as long as the file says. A file not there, or not yet written to, says nothing. */
        void sleep(String name) throws IOException, InterruptedException {
            if (dir == null) {
                return;
            }
            String text;
            try {
                text = new String(Files.readAllBytes(dir.resolve(name)), StandardCharsets.UTF_8).trim();
            } catch (NoSuchFileException e) {
                return;
            }
            if (!text.isEmpty()) {
                Thread.sleep(Long.parseLong(text));
            }
        }
    }

    /** Lets records pass at a steady rate. Chained to the source, so the source can be no faster. */
    static final class Throttle implements MapFunction<Long, Long> {
        private static final long serialVersionUID = 1L;
        /** Behind by more than this (slow start, long snapshot), it does not catch up in one burst. */
        private static final long MAX_BEHIND = TimeUnit.MILLISECONDS.toNanos(100);

        private final long interval;
        private transient boolean started;
        private transient long next;

        Throttle(long rate) {
            interval = TimeUnit.SECONDS.toNanos(1) / rate;
        }

        @Override
        public Long map(Long v) throws InterruptedException {
            long now = System.nanoTime();
            if (!started || now - next > MAX_BEHIND) {
                started = true;
                next = now;
            }
            if (next > now) {
                // holds up checkpoint barriers by one interval at most
                TimeUnit.NANOSECONDS.sleep(next - now);
            }
            next += interval;
            return v;
        }
    }

    /** Counts per key, and tells where it began. */
    static final class Tally extends KeyedProcessFunction<Long, Long, Long> implements CheckpointedFunction {
        private static final long serialVersionUID = 1L;

        private final String outDir;

        private transient ValueState<Long> count;
        private transient boolean told;

        Tally(String outDir) {
            this.outDir = outDir;
        }

        @Override
        public void initializeState(FunctionInitializationContext context) {
            count = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("tally", Types.LONG));
        }

        @Override
        public void processElement(Long v, Context context, Collector<Long> next) throws Exception {
            Long before = count.value();
            long after = before == null ? 1 : before + 1;
            count.update(after);
            if (!told) {
                told = true;
                try (FileOutputStream line = newFile(outDir)) {
                    line.write((v + " " + after + "\n").getBytes(StandardCharsets.US_ASCII));
                }
            }
            next.collect(v);
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) {}
    }

    /** Counts per key, compares with what the count must be, and writes the lines. */
    static final class Counter extends KeyedProcessFunction<Long, Long, Void> implements CheckpointedFunction {
        private static final long serialVersionUID = 1L;
        private static final long CONTROL_EVERY = TimeUnit.MILLISECONDS.toNanos(250);
        private static final int CHUNK = 64 * 1024;
        /** A map is copied as a whole when it is written to while a snapshot of it is being taken (on the heap). */
        private static final int GROWN_MAPS = 8;

        private final String outDir;
        private final String ctlDir;
        private final long ballastPerKey;
        private final boolean countAsText;

        private transient Control control;
        private transient long lastLook;
        private transient FileOutputStream lines;
        private transient ValueState<Long> count;
        private transient ValueState<Long> ballastSize;
        private transient MapState<Integer, byte[]> ballast;
        private transient boolean[] ballastChecked;
        private transient long growTo;
        private transient ValueState<Long> grownSize;
        private transient MapState<Integer, byte[]>[] grown;
        private transient boolean[] grownChecked;

        Counter(String outDir, String ctlDir, long stateBytes, String countType) {
            this.outDir = outDir;
            this.ctlDir = ctlDir;
            this.ballastPerKey = (stateBytes + KEYS - 1) / KEYS;
            this.countAsText = countType.equals("text");
        }

        /** Called once per start of the task, before the first record; does what open() would do. */
        @Override
        @SuppressWarnings({"unchecked", "rawtypes"})
        public void initializeState(FunctionInitializationContext context) throws Exception {
            control = new Control(ctlDir);
            control.sleep("slowinit");
            lastLook = System.nanoTime();
            ValueStateDescriptor descriptor =
                    new ValueStateDescriptor("count", countAsText ? Types.STRING : Types.LONG);
            count = context.getKeyedStateStore().getState(descriptor);
            ballastSize = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("ballast-size", Types.LONG));
            ballast =
                    context.getKeyedStateStore()
                            .getMapState(
                                    new MapStateDescriptor<>(
                                            "ballast",
                                            Types.INT,
                                            PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO));
            ballastChecked = new boolean[KEYS];
            if (control.present("grow")) {
                grownSize = context.getKeyedStateStore().getState(new ValueStateDescriptor<>("grown-size", Types.LONG));
                grown = new MapState[GROWN_MAPS];
                for (int i = 0; i < GROWN_MAPS; i++) {
                    MapStateDescriptor<Integer, byte[]> chunks =
                            new MapStateDescriptor<>(
                                    "grown-" + i, Types.INT, PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
                    grown[i] = context.getKeyedStateStore().getMapState(chunks);
                }
                grownChecked = new boolean[KEYS];
                growTo = control.read("grow");
            }

            lines = newFile(outDir);
        }

        @Override
        public void processElement(Long v, Context context, Collector<Void> none) throws Exception {
            long now = System.nanoTime();
            if (now - lastLook > CONTROL_EVERY) {
                lastLook = now;
                if (control.take("throw")) {
                    throw new IllegalStateException("asked to by the control file 'throw', at value " + v);
                }
                if (grown != null) {
                    growTo = control.read("grow");
                }
            }

            long key = context.getCurrentKey();
            Long before = count.value();
            long after = before == null ? 1 : before + 1;
            count.update(after);
            boolean ok = after == v / KEYS + 1 && ballastIsGood((int) key) && grows((int) key);

            // One write() per record and no buffer: after a kill -9 every line is there, and whole.
            String line = v + " " + key + " " + after + (ok ? " ok\n" : " MISMATCH\n");
            lines.write(line.getBytes(StandardCharsets.US_ASCII));
        }

        /** At the first record of a key in this attempt: makes its ballast, or verifies what was restored. */
        private boolean ballastIsGood(int key) throws Exception {
            if (ballastPerKey == 0 || ballastChecked[key]) {
                return true;
            }
            ballastChecked[key] = true;
            Long size = ballastSize.value();
            boolean make = size == null || size != ballastPerKey;
            if (make) {
                ballast.clear();
                ballastSize.update(ballastPerKey);
            }
            Random random = new Random(key);
            long left = ballastPerKey;
            for (int chunk = 0; left > 0; chunk++) {
                byte[] bytes = new byte[(int) Math.min(left, CHUNK)];
                random.nextBytes(bytes);
                left -= bytes.length;
                if (make) {
                    ballast.put(chunk, bytes);
                } else if (!Arrays.equals(bytes, ballast.get(chunk))) {
                    return false;
                }
            }
            return true;
        }

        /** Adds a chunk while there is less than there is to be. The first and the last of a restored key are verified. */
        private boolean grows(int key) throws Exception {
            if (grown == null) {
                return true;
            }
            Long size = grownSize.value();
            int chunks = size == null ? 0 : (int) (size / CHUNK);
            if (!grownChecked[key]) {
                grownChecked[key] = true;
                for (int chunk : new int[] {0, chunks - 1}) {
                    if (chunk >= 0 && chunk < chunks
                            && !Arrays.equals(chunk(key, chunk), grown[chunk % GROWN_MAPS].get(chunk))) {
                        return false;
                    }
                }
            }
            if ((chunks + 1L) * CHUNK * KEYS <= growTo) {
                grown[chunks % GROWN_MAPS].put(chunks, chunk(key, chunks));
                grownSize.update((chunks + 1L) * CHUNK);
            }
            return true;
        }

        private static byte[] chunk(int key, int chunk) {
            byte[] bytes = new byte[CHUNK];
            new Random(key * 1_000_003L + chunk).nextBytes(bytes);
            return bytes;
        }

        @Override
        public void snapshotState(FunctionSnapshotContext context) throws Exception {
            control.sleep("slowsnap");
            if (control.present("failsnap")) {
                throw new IOException("asked to by the control file 'failsnap', checkpoint " + context.getCheckpointId());
            }
        }

        @Override
        public void close() throws Exception {
            if (lines != null) {
                lines.close();
            }
        }
    }
}
