import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import com.google.rpc.ErrorDetailsProto;
import io.grpc.Channel;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.AbstractAsyncStub;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import io.sluice.v1.ErrorsProto;
import io.sluice.v1.ConsumerGroupServiceGrpc;
import io.sluice.v1.EventStoreServiceGrpc;
import io.sluice.v1.StreamServiceGrpc;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** The runner in Java: messages and stubs by protoc and protoc-gen-grpc-java. See ../README.md. */
public final class Runner {
  private static final JsonFormat.TypeRegistry DETAILS =
      JsonFormat.TypeRegistry.newBuilder()
          .add(ErrorDetailsProto.getDescriptor().getMessageTypes())
          .add(ErrorsProto.getDescriptor().getMessageTypes())
          .build();
  private static final JsonFormat.Printer PRINTER =
      JsonFormat.printer().usingTypeRegistry(DETAILS).omittingInsignificantWhitespace();
  private static final PrintStream OUT =
      new PrintStream(new FileOutputStream(FileDescriptor.out), false, StandardCharsets.UTF_8);

  private final Map<String, AbstractAsyncStub<?>> stubs;

  private Runner(Channel channel) {
    stubs =
        Map.of(
            EventStoreServiceGrpc.SERVICE_NAME,
            EventStoreServiceGrpc.newStub(channel),
            ConsumerGroupServiceGrpc.SERVICE_NAME,
            ConsumerGroupServiceGrpc.newStub(channel),
            StreamServiceGrpc.SERVICE_NAME,
            StreamServiceGrpc.newStub(channel),
            HealthGrpc.SERVICE_NAME,
            HealthGrpc.newStub(channel),
            io.grpc.reflection.v1.ServerReflectionGrpc.SERVICE_NAME,
            io.grpc.reflection.v1.ServerReflectionGrpc.newStub(channel),
            io.grpc.reflection.v1alpha.ServerReflectionGrpc.SERVICE_NAME,
            io.grpc.reflection.v1alpha.ServerReflectionGrpc.newStub(channel));
  }

  public static void main(String[] args) throws Exception {
    ManagedChannel channel = ManagedChannelBuilder.forTarget(args[0]).usePlaintext().build();
    Runner runner = new Runner(channel);
    JsonObject hello = new JsonObject();
    String grpc = io.grpc.internal.GrpcUtil.getGrpcBuildVersion().getImplementationVersion();
    hello.addProperty("runner", "Java " + Runtime.version().feature() + ", grpc-java " + grpc);
    say(hello);
    Map<Integer, Call> calls = new HashMap<>();
    BufferedReader input =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = input.readLine(); line != null; line = input.readLine()) {
      JsonObject command = JsonParser.parseString(line).getAsJsonObject();
      int number = command.get("call").getAsInt();
      Call call = calls.get(number);
      if (call == null) {
        calls.put(number, runner.begin(number, command));
      } else if (command.has("send")) {
        call.requests.onNext(parse(command.get("send"), call.requestClass));
      } else if (command.has("halfClose")) {
        call.requests.onCompleted();
      } else {
        call.call.cancel("as the case says", null);
      }
    }
    channel.shutdownNow();
    System.exit(0);
  }

  /** Calls the method of the generated stub that has this name. */
  @SuppressWarnings("unchecked")
  private Call begin(int number, JsonObject command) throws Exception {
    String[] names = command.get("method").getAsString().split("/");
    Metadata metadata = new Metadata();
    if (command.has("metadata")) {
      for (Map.Entry<String, JsonElement> entry : command.getAsJsonObject("metadata").entrySet()) {
        Metadata.Key<String> key =
            Metadata.Key.of(entry.getKey(), Metadata.ASCII_STRING_MARSHALLER);
        metadata.put(key, entry.getValue().getAsString());
      }
    }
    AbstractAsyncStub<?> stub =
        (AbstractAsyncStub<?>)
            stubs
                .get(names[0])
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata))
                .withDeadlineAfter(command.get("deadlineMs").getAsLong(), TimeUnit.MILLISECONDS);
    String name = Character.toLowerCase(names[1].charAt(0)) + names[1].substring(1);
    Method method =
        Arrays.stream(stub.getClass().getDeclaredMethods())
            .filter(one -> one.getName().equals(name))
            .findFirst()
            .orElseThrow();
    Call call = new Call(number);
    if (method.getParameterCount() == 2) {
      Class<? extends Message> type = method.getParameterTypes()[0].asSubclass(Message.class);
      method.invoke(stub, parse(command.get("request"), type), call);
    } else {
      Type requests = ((ParameterizedType) method.getGenericReturnType()).getActualTypeArguments()[0];
      call.requestClass = ((Class<?>) requests).asSubclass(Message.class);
      call.requests = (StreamObserver<Message>) method.invoke(stub, call);
    }
    return call;
  }

  /** A call that is under way. */
  private static final class Call implements ClientResponseObserver<Message, Message> {
    private final int number;
    private ClientCallStreamObserver<Message> call;
    private StreamObserver<Message> requests;
    private Class<? extends Message> requestClass;

    Call(int number) {
      this.number = number;
    }

    @Override
    public void beforeStart(ClientCallStreamObserver<Message> requestStream) {
      call = requestStream;
    }

    @Override
    public void onNext(Message message) {
      JsonObject line = line();
      line.add("message", toJson(message));
      say(line);
    }

    @Override
    public void onError(Throwable error) {
      Status status = Status.fromThrowable(error);
      com.google.rpc.Status rich = StatusProto.fromThrowable(error);
      JsonArray details = new JsonArray();
      if (rich != null) rich.getDetailsList().forEach(detail -> details.add(toJson(detail)));
      JsonObject line = line();
      line.addProperty("status", status.getCode().name());
      line.addProperty("text", status.getDescription());
      line.add("details", details);
      say(line);
    }

    @Override
    public void onCompleted() {
      JsonObject line = line();
      line.addProperty("status", "OK");
      say(line);
    }

    private JsonObject line() {
      JsonObject line = new JsonObject();
      line.addProperty("call", number);
      return line;
    }
  }

  private static Message parse(JsonElement value, Class<? extends Message> type) throws Exception {
    Message.Builder builder = (Message.Builder) type.getMethod("newBuilder").invoke(null);
    JsonFormat.parser().merge(value.toString(), builder);
    return builder.build();
  }

  private static JsonElement toJson(Message message) {
    try {
      return JsonParser.parseString(PRINTER.print(message));
    } catch (InvalidProtocolBufferException error) {
      throw new IllegalStateException(error);
    }
  }

  private static synchronized void say(JsonObject line) {
    OUT.println(line);
    OUT.flush();
  }
}
