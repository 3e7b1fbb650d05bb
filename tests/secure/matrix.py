"""What each role may do on Kafka and what it may not: every operation is tried as every role, on every topic.

Invariant: an operation succeeds if and only if manifests/access/roles.toml grants it.
"""

import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

DENIED = {"TOPIC_AUTHORIZATION_FAILED", "GROUP_AUTHORIZATION_FAILED", "CLUSTER_AUTHORIZATION_FAILED"}
PATIENCE = 20


class Role:
    """Clients of one role, and what they may try. Each attempt returns None, or the broker's word for its refusal."""

    def __init__(self, properties, group):
        self.properties, self.group = properties, group
        self.admin = AdminClient(properties)
        self.producer = Producer({**properties, "message.timeout.ms": PATIENCE * 1000, "linger.ms": 0})

    def produce(self, topic):
        said = []
        try:
            self.producer.produce(topic, b"not a message", partition=0, on_delivery=lambda error, _: said.append(error and error.name()))
        except KafkaException as refused:  # the client has learnt it already
            return refused.args[0].name()
        self.producer.flush(PATIENCE)
        return said[0] if said else "NOT_SENT"

    def read(self, topic):
        # Without a commit at the end, for which it would wait for a coordinator that it is not told.
        settings = {"group.id": "unused", "enable.auto.commit": "false", "enable.partition.eof": "true", "auto.offset.reset": "error"}
        consumer = Consumer({**self.properties, **settings})
        try:
            # A client that may not even see a topic never asks for its records.
            hidden = consumer.list_topics(topic, PATIENCE).topics[topic].error
            if hidden is not None:
                return hidden.name()
            consumer.assign([TopicPartition(topic, 0, 0)])
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                found = consumer.poll(0.1)
                error = found.error() if found else None
                if found and (error is None or error.name() == "_PARTITION_EOF"):
                    return None
                # The group is never joined; its coordinator is asked for all the same.
                if error is not None and error.name() != "GROUP_AUTHORIZATION_FAILED":
                    return error.name()
            return "NOTHING_CAME"
        finally:
            consumer.close()

    def commit(self, topic):
        offsets = ConsumerGroupTopicPartitions(self.group, [TopicPartition(topic, 0, 0)])
        futures = self.admin.alter_consumer_group_offsets([offsets])
        refused = self._settle(futures)
        if refused is None:
            (done,) = (future.result() for future in futures.values())
            refused = next((one.error.name() for one in done.topic_partitions if one.error), None)
        return refused

    def _settle(self, futures):
        try:
            for future in futures.values():
                future.result(PATIENCE)
        except KafkaException as refused:
            return refused.args[0].name()
        return None

    def delete_topic(self, topic):
        return self._settle(self.admin.delete_topics([topic]))

    def delete_records(self, topic):
        hidden = self.admin.list_topics(topic, PATIENCE).topics[topic].error
        return hidden.name() if hidden else self._settle(self.admin.delete_records([TopicPartition(topic, 0, 1)]))

    def add_partitions(self, topic):
        return self._settle(self.admin.create_partitions([NewPartitions(topic, 64)]))

    def change_settings(self, topic):
        entry = ConfigEntry("retention.ms", "1", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry])
        return self._settle(self.admin.incremental_alter_configs([resource]))

    def create_other_topic(self):
        return self._settle(self.admin.create_topics([NewTopic("somebody.elses", 1, 1)]))

    def grant_itself(self, user):
        allow, every = AclPermissionType.ALLOW, AclOperation.ALL
        binding = AclBinding(ResourceType.TOPIC, "*", ResourcePatternType.LITERAL, f"User:{user}", "*", every, allow)
        return self._settle(self.admin.create_acls([binding]))

    def delete_group(self):
        return self._settle(self.admin.delete_consumer_groups([self.group]))

    def describe_group(self):
        return self._settle(self.admin.describe_consumer_groups([self.group]))


def expectations(granted, topics):
    """(operation, its arguments, whether it is granted), for every operation that a role could try."""
    for topic, name in topics.items():
        may = granted.get(topic, [])
        yield "read", (name,), "Read" in may
        for forbidden in ("delete_topic", "delete_records", "add_partitions", "change_settings"):
            yield forbidden, (name,), False
        yield "produce", (name,), "Write" in may
    group = granted.get("group", [])
    yield "commit", (topics["messages"],), "Read" in group and "Read" in granted.get("messages", [])
    yield "describe_group", (), bool(group)
    yield "delete_group", (), False
    yield "create_other_topic", (), False


def mistakes(user, granted, role, topics):
    """Lines about what was allowed and should not have been, or the other way round; and how many were tried."""
    found, tried = [], 0
    every = [*expectations(granted, topics), ("grant_itself", (user,), False)]
    for operation, arguments, wanted in every:
        said = getattr(role, operation)(*arguments)
        tried += 1
        right = said is None if wanted else said in DENIED
        if not right:
            found.append(f"{user}: {operation}{arguments} should be {'allowed' if wanted else 'denied'}, the broker said {said}")
    return found, tried
