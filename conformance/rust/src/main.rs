//! The runner in Rust: messages and clients by tonic and prost. See ../../README.md.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::LazyLock;
use std::time::Duration;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::{LocalSet, spawn_local};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::metadata::AsciiMetadataKey;
use tonic::transport::Channel;
use tonic::{Request, Response, Status, Streaming};

#[allow(dead_code)] // what the generators make and this program does not use
mod google {
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
}
mod sluice {
    pub mod v1 {
        tonic::include_proto!("sluice.v1");
    }
}
mod grpc {
    pub mod health {
        pub mod v1 {
            tonic::include_proto!("grpc.health.v1");
        }
    }
    pub mod reflection {
        pub mod v1 {
            tonic::include_proto!("grpc.reflection.v1");
        }
        pub mod v1alpha {
            tonic::include_proto!("grpc.reflection.v1alpha");
        }
    }
}

use grpc::health::v1::health_client::HealthClient;
use grpc::reflection::v1::server_reflection_client::ServerReflectionClient;
use grpc::reflection::v1alpha::server_reflection_client::ServerReflectionClient as AlphaClient;
use sluice::v1::consumer_group_service_client::ConsumerGroupServiceClient;
use sluice::v1::event_store_service_client::EventStoreServiceClient;
use sluice::v1::stream_service_client::StreamServiceClient;

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin")).as_slice()).unwrap()
});

/// A command to a call under way.
enum Order {
    Send(Value),
    HalfClose,
    Cancel,
}

/// A call: how it is made, and what its messages are.
struct Call {
    number: u64,
    /// The request, of a call that takes one.
    value: Value,
    deadline: Duration,
    metadata: HashMap<String, String>,
    input: MessageDescriptor,
    output: MessageDescriptor,
    /// The requests of a call that takes a stream.
    sent: Option<UnboundedReceiver<Value>>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    LocalSet::new().run_until(serve()).await;
}

async fn serve() {
    let address = std::env::args().nth(1).expect("the address of a gateway");
    let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect_lazy();
    say(json!({ "runner": versions() }));
    let mut calls: HashMap<u64, UnboundedSender<Order>> = HashMap::new();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let mut command: Value = serde_json::from_str(&line).unwrap();
        let number = command["call"].as_u64().unwrap();
        let Some(call) = calls.get(&number) else {
            let (orders, taken) = unbounded_channel();
            calls.insert(number, orders);
            spawn_local(run(channel.clone(), number, command, taken));
            continue;
        };
        let order = if !command["send"].is_null() {
            Order::Send(command["send"].take())
        } else if command["halfClose"] == json!(true) {
            Order::HalfClose
        } else {
            Order::Cancel
        };
        // A call that has ended takes no commands.
        let _ = call.send(order);
    }
}

fn versions() -> String {
    let manifest = include_str!("../Cargo.toml");
    let tonic = manifest.lines().find(|line| line.starts_with("tonic =")).and_then(|line| line.split('"').nth(1));
    format!("{}, tonic {}", env!("RUSTC_VERSION"), tonic.unwrap_or("").trim_start_matches('='))
}

/// Makes a call and reports how it ended. To cancel a call is to drop it, so this program makes that status itself.
async fn run(channel: Channel, number: u64, mut command: Value, mut orders: UnboundedReceiver<Order>) {
    let method = command["method"].as_str().unwrap().to_owned();
    let (service, name) = method.split_once('/').unwrap();
    let service = POOL.get_service_by_name(service).unwrap();
    let descriptor = service.methods().find(|one| one.name() == name).unwrap();
    let (requests, sent) = unbounded_channel();
    let call = Call {
        number,
        value: command["request"].take(),
        deadline: Duration::from_millis(command["deadlineMs"].as_u64().unwrap()),
        metadata: serde_json::from_value(command["metadata"].take()).unwrap_or_default(),
        input: descriptor.input(),
        output: descriptor.output(),
        sent: Some(sent),
    };
    let cancelled = async {
        let mut requests = Some(requests);
        while let Some(order) = orders.recv().await {
            match order {
                Order::Send(value) => drop(requests.as_ref().map(|open| open.send(value))),
                Order::HalfClose => requests = None,
                Order::Cancel => return Status::cancelled("as the case says"),
            }
        }
        std::future::pending().await
    };
    let status = tokio::select! {
        ended = answer(channel, &method, call) => ended.err().unwrap_or_else(|| Status::ok("")),
        status = cancelled => status,
    };
    let rich = google::rpc::Status::decode(status.details()).unwrap();
    let any = POOL.get_message_by_name("google.protobuf.Any").unwrap();
    let details: Vec<Value> = rich.details.iter().map(|detail| to_json(&any, detail)).collect();
    let code = google::rpc::Code::try_from(status.code() as i32).unwrap();
    say(json!({ "call": number, "status": code.as_str_name(), "text": status.message(), "details": details }));
}

/// Calls the method of the generated client. A new method of the contract needs a line here.
async fn answer(channel: Channel, method: &str, call: Call) -> Result<(), Status> {
    let mut store = EventStoreServiceClient::new(channel.clone());
    let mut groups = ConsumerGroupServiceClient::new(channel.clone());
    let mut streams = StreamServiceClient::new(channel.clone());
    let mut health = HealthClient::new(channel.clone());
    let mut reflection = ServerReflectionClient::new(channel.clone());
    let mut alpha = AlphaClient::new(channel);
    match method {
        "sluice.v1.EventStoreService/Append" => unary(call, async |q| store.append(q).await).await,
        "sluice.v1.EventStoreService/AppendSession" => duplex(call, async |q| store.append_session(q).await).await,
        "sluice.v1.EventStoreService/AppendMulti" => unary(call, async |q| store.append_multi(q).await).await,
        "sluice.v1.EventStoreService/ReadStream" => streaming(call, async |q| store.read_stream(q).await).await,
        "sluice.v1.EventStoreService/GetCommit" => unary(call, async |q| store.get_commit(q).await).await,
        "sluice.v1.EventStoreService/GetVersion" => unary(call, async |q| store.get_version(q).await).await,
        "sluice.v1.EventStoreService/ReadByCorrelation" => {
            streaming(call, async |q| store.read_by_correlation(q).await).await
        }
        "sluice.v1.EventStoreService/ReadAll" => streaming(call, async |q| store.read_all(q).await).await,
        "sluice.v1.EventStoreService/Subscribe" => streaming(call, async |q| store.subscribe(q).await).await,
        "sluice.v1.EventStoreService/ListStreams" => streaming(call, async |q| store.list_streams(q).await).await,
        "sluice.v1.EventStoreService/GetServerInfo" => unary(call, async |q| store.get_server_info(q).await).await,
        "sluice.v1.ConsumerGroupService/CreateGroup" => unary(call, async |q| groups.create_group(q).await).await,
        "sluice.v1.ConsumerGroupService/UpdateGroup" => unary(call, async |q| groups.update_group(q).await).await,
        "sluice.v1.ConsumerGroupService/DeleteGroup" => unary(call, async |q| groups.delete_group(q).await).await,
        "sluice.v1.ConsumerGroupService/ListGroups" => streaming(call, async |q| groups.list_groups(q).await).await,
        "sluice.v1.ConsumerGroupService/GetGroup" => unary(call, async |q| groups.get_group(q).await).await,
        "sluice.v1.ConsumerGroupService/ResetGroup" => unary(call, async |q| groups.reset_group(q).await).await,
        "sluice.v1.ConsumerGroupService/Consume" => duplex(call, async |q| groups.consume(q).await).await,
        "sluice.v1.ConsumerGroupService/ListParked" => streaming(call, async |q| groups.list_parked(q).await).await,
        "sluice.v1.ConsumerGroupService/ReplayParked" => unary(call, async |q| groups.replay_parked(q).await).await,
        "sluice.v1.ConsumerGroupService/DropParked" => unary(call, async |q| groups.drop_parked(q).await).await,
        "sluice.v1.StreamService/GetStream" => unary(call, async |q| streams.get_stream(q).await).await,
        "sluice.v1.StreamService/TruncateStream" => unary(call, async |q| streams.truncate_stream(q).await).await,
        "sluice.v1.StreamService/SetRetention" => unary(call, async |q| streams.set_retention(q).await).await,
        "sluice.v1.StreamService/DeleteStream" => unary(call, async |q| streams.delete_stream(q).await).await,
        "sluice.v1.StreamService/TombstoneStream" => unary(call, async |q| streams.tombstone_stream(q).await).await,
        "sluice.v1.StreamService/EraseEvents" => unary(call, async |q| streams.erase_events(q).await).await,
        "grpc.health.v1.Health/Check" => unary(call, async |q| health.check(q).await).await,
        "grpc.health.v1.Health/Watch" => streaming(call, async |q| health.watch(q).await).await,
        "grpc.reflection.v1.ServerReflection/ServerReflectionInfo" => {
            duplex(call, async |q| reflection.server_reflection_info(q).await).await
        }
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo" => {
            duplex(call, async |q| alpha.server_reflection_info(q).await).await
        }
        _ => panic!("there is no line for {method}"),
    }
}

async fn unary<Q: Message + Default, A: Message>(
    call: Call,
    make: impl AsyncFnOnce(Request<Q>) -> Result<Response<A>, Status>,
) -> Result<(), Status> {
    let response = make(call.request(from_json(&call.input, &call.value))).await?;
    call.say(response.get_ref());
    Ok(())
}

async fn streaming<Q: Message + Default, A: Message>(
    call: Call,
    make: impl AsyncFnOnce(Request<Q>) -> Result<Response<Streaming<A>>, Status>,
) -> Result<(), Status> {
    let response = make(call.request(from_json(&call.input, &call.value))).await?;
    call.say_each(response).await
}

async fn duplex<Q: Message + Default, A: Message>(
    mut call: Call,
    make: impl AsyncFnOnce(Request<Requests<Q>>) -> Result<Response<Streaming<A>>, Status>,
) -> Result<(), Status> {
    let input = call.input.clone();
    let sent = UnboundedReceiverStream::new(call.sent.take().unwrap());
    let requests: Requests<Q> = Box::pin(sent.map(move |value| from_json(&input, &value)));
    let response = make(call.request(requests)).await?;
    call.say_each(response).await
}

type Requests<Q> = Pin<Box<dyn Stream<Item = Q> + Send>>;

impl Call {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        for (name, value) in &self.metadata {
            request.metadata_mut().insert(AsciiMetadataKey::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        request
    }

    fn say<A: Message>(&self, message: &A) {
        say(json!({ "call": self.number, "message": to_json(&self.output, message) }));
    }

    async fn say_each<A: Message>(&self, response: Response<Streaming<A>>) -> Result<(), Status> {
        let mut messages = response.into_inner();
        while let Some(message) = messages.message().await? {
            self.say(&message);
        }
        Ok(())
    }
}

fn from_json<T: Message + Default>(descriptor: &MessageDescriptor, value: &Value) -> T {
    DynamicMessage::deserialize(descriptor.clone(), value).unwrap().transcode_to().unwrap()
}

fn to_json<T: Message>(descriptor: &MessageDescriptor, message: &T) -> Value {
    let mut dynamic = DynamicMessage::new(descriptor.clone());
    dynamic.transcode_from(message).unwrap();
    serde_json::to_value(&dynamic).unwrap()
}

fn say(line: Value) {
    println!("{line}");
}
