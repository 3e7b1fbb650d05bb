"""Whole topics, read to the end that they had when reading began."""

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from checker.wire import Record

BEGINNING = 0


def consumer(bootstrap, **settings):
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reads-without-a-group",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "isolation.level": "read_committed",
            "check.crcs": True,
            # The end may be an offset without a record (a transaction's marker): only this event tells.
            "enable.partition.eof": True,
        }
        | settings
    )


def ends(reader, topic):
    """partition -> (first offset, offset after the last) as of now."""
    found = reader.list_topics(topic, timeout=20).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return {
        number: reader.get_watermark_offsets(TopicPartition(topic, number), timeout=20) for number in sorted(found.partitions)
    }


def read_topics(bootstrap, names):
    """For each topic: partition -> its records in order. TimeoutError when the broker stops answering."""
    reader = consumer(bootstrap)
    try:
        return [read_topic(reader, name) for name in names]
    finally:
        reader.close()


def read_topic(reader, topic):
    records = {number: [] for number in ends(reader, topic)}
    visit_topic(reader, topic, lambda record: records[record.partition].append(record))
    return records


def visit_topic(reader, topic, visit):
    """Shows every record, in order within its partition."""
    bounds = ends(reader, topic)
    waiting = {number for number, (start, end) in bounds.items() if end > start}
    reader.assign([TopicPartition(topic, number, bounds[number][BEGINNING]) for number in waiting])
    silent = 0
    while waiting:
        batch = reader.consume(num_messages=5_000, timeout=1.0)
        silent = 0 if batch else silent + 1
        if silent > 30:
            raise TimeoutError(f"{topic}: nothing more came from partitions {sorted(waiting)}")
        for message in batch:
            number, end = message.partition(), bounds[message.partition()][1]
            if message.error() and message.error().code() != KafkaError._PARTITION_EOF:
                raise KafkaException(message.error())
            if not message.error() and message.offset() < end:
                visit(record_of(message))
            if message.error() or message.offset() + 1 >= end:
                waiting.discard(number)
    reader.unassign()


def record_of(message):
    _, time = message.timestamp()
    headers = tuple((name, value) for name, value in message.headers() or ())
    return Record(message.partition(), message.offset(), time, message.key(), message.value(), headers)
