package tiermesh.bench;

import com.google.protobuf.CodedInputStream;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueBytesStoreSupplier;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * A peer: a rolling sum of the last twelve months (of 30 days) per customer, and a tier by thresholds of it, with exactly
 * once. It has no de-duplication, no refunds, no relative tiers and no explanations; time passes for a customer only when
 * they order.
 *
 * <p>Arguments: bootstrap servers, application id, output topic, state directory, {@code rocksdb} or {@code memory}. It
 * says {@code ready} once it runs, and goes on until it is stopped.
 */
public final class RollingTiers {
    private static final String STORE = "rolling-sums";
    private static final int MONTHS = 12;
    private static final long MONTH_MS = 30L * 24 * 60 * 60 * 1000;
    /** Minor units: the sums at which the score card's parts of sales lie, about. */
    private static final long[] THRESHOLDS = {10_000_000, 20_000_000, 30_000_000, 40_000_000};

    private RollingTiers() {}

    public static void main(String[] args) {
        boolean inMemory = args[4].equals("memory");
        KeyValueBytesStoreSupplier supplier =
                inMemory ? Stores.inMemoryKeyValueStore(STORE) : Stores.persistentKeyValueStore(STORE);
        Topology topology = new Topology();
        topology.addSource("facts", Serdes.ByteArray().deserializer(), Serdes.ByteArray().deserializer(), "customer.events");
        topology.addProcessor("fold", Fold::new, "facts");
        topology.addStateStore(
                Stores.keyValueStoreBuilder(supplier, Serdes.ByteArray(), Serdes.ByteArray()).withCachingDisabled(), "fold");
        topology.addSink("changes", args[2], Serdes.ByteArray().serializer(), Serdes.ByteArray().serializer(), "fold");

        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, args[3]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put("auto.offset.reset", "earliest");
        settings.put(StreamsConfig.producerPrefix("compression.type"), "lz4");

        KafkaStreams streams = new KafkaStreams(topology, settings);
        streams.setUncaughtExceptionHandler(
                error -> {
                    error.printStackTrace();
                    return StreamThreadExceptionResponse.SHUTDOWN_APPLICATION;
                });
        streams.setStateListener(
                (now, before) -> {
                    if (now == KafkaStreams.State.RUNNING) {
                        System.out.println("ready");
                    } else if (now == KafkaStreams.State.ERROR) {
                        Runtime.getRuntime().halt(1);
                    }
                });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
    }

    /** State of a customer: the month of the last order, the tier told last, and the sums of the twelve months to it. */
    private static final class Fold implements Processor<byte[], byte[], byte[], byte[]> {
        private ProcessorContext<byte[], byte[]> context;
        private KeyValueStore<byte[], byte[]> store;

        @Override
        public void init(ProcessorContext<byte[], byte[]> context) {
            this.context = context;
            this.store = context.getStateStore(STORE);
        }

        @Override
        public void process(Record<byte[], byte[]> record) {
            if (record.key() == null || record.key().length == 0) {
                return; // Ticks and control records: no customer's.
            }
            Order order = Order.read(record.value());
            if (order == null) {
                return;
            }
            byte[] before = store.get(record.key());
            ByteBuffer state = ByteBuffer.allocate(8 + 4 + 8 * MONTHS);
            long month = order.time / MONTH_MS;
            long last = month;
            int tier = -1;
            if (before != null) {
                state.put(before).rewind();
                last = state.getLong(0);
                tier = state.getInt(8);
            }
            for (long gone = Math.max(last + 1, month - MONTHS + 1); gone <= month; gone++) {
                state.putLong(place(gone), 0);
            }
            if (month > last - MONTHS) {
                state.putLong(place(month), state.getLong(place(month)) + order.amount);
            }
            long sum = 0;
            for (int at = 0; at < MONTHS; at++) {
                sum += state.getLong(12 + 8 * at);
            }
            int now = 0;
            while (now < THRESHOLDS.length && sum >= THRESHOLDS[now]) {
                now++;
            }
            state.putLong(0, Math.max(last, month)).putInt(8, now);
            store.put(record.key(), state.array());
            if (now != tier) {
                byte[] change = ByteBuffer.allocate(16).putInt(tier).putInt(now).putLong(sum).array();
                context.forward(record.withValue(change));
            }
        }

        private static int place(long month) {
            return 12 + 8 * (int) (month % MONTHS);
        }
    }

    /** What is read of an order that was placed; nothing else of the record is decoded. */
    private record Order(long time, long amount) {
        static Order read(byte[] value) {
            try {
                CodedInputStream event = CodedInputStream.newInstance(value);
                long time = 0;
                for (int tag = event.readTag(); tag != 0; tag = event.readTag()) {
                    if (WireFormat.getTagFieldNumber(tag) != 1) {
                        event.skipField(tag); // CustomerEvent.fact = 1
                        continue;
                    }
                    event.pushLimit(event.readRawVarint32());
                    for (tag = event.readTag(); tag != 0; tag = event.readTag()) {
                        switch (WireFormat.getTagFieldNumber(tag)) {
                            case 4 -> time = event.readInt64(); // Fact.time_ms
                            case 10 -> { // Fact.order_placed
                                event.pushLimit(event.readRawVarint32());
                                for (tag = event.readTag(); tag != 0; tag = event.readTag()) {
                                    if (WireFormat.getTagFieldNumber(tag) == 2) { // Order.amount_minor
                                        return new Order(time, event.readInt64());
                                    }
                                    event.skipField(tag);
                                }
                                return null;
                            }
                            default -> event.skipField(tag);
                        }
                    }
                    return null;
                }
                return null;
            } catch (IOException error) {
                throw new IllegalStateException("a record of customer.events can't be read", error);
            }
        }
    }
}
