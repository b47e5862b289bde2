"""Reads topics to their end as any Python consumer would, with Confluent's own client and Avro deserializer.

Prints one JSON object a record. Shares nothing with Sluice: not its language, not its Kafka client, not its Avro.
usage: read_outcomes.py BROKERS REGISTRY TOPIC… [--raw TOPIC…]
"""

import json
import sys
import uuid

from confluent_kafka import Consumer, KafkaError
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext


def main(brokers, registry, *names):
    cut = names.index("--raw") if "--raw" in names else len(names)
    avro, raw = names[:cut], names[cut + 1 :]
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": f"python-{uuid.uuid4()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    metadata = consumer.list_topics(timeout=10)
    waiting = {(name, partition) for name in avro + raw for partition in metadata.topics[name].partitions}
    consumer.subscribe(list(avro + raw))
    while waiting:
        message = consumer.poll(20)
        if message is None:
            sys.exit(f"no end within 20 s of {sorted(waiting)}")
        if message.error():
            if message.error().code() != KafkaError._PARTITION_EOF:
                sys.exit(str(message.error()))
            waiting.discard((message.topic(), message.partition()))
            continue
        value = None
        if message.topic() in avro:
            value = deserialize(message.value(), SerializationContext(message.topic(), MessageField.VALUE))
        print(
            json.dumps(
                {
                    "topic": message.topic(),
                    "partition": message.partition(),
                    "offset": message.offset(),
                    "headers": {name: text.decode() for name, text in message.headers() or []},
                    "value": value,
                }
            )
        )
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
