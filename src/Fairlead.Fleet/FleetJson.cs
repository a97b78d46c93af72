using System.Net;
using System.Text.Json;
using System.Text.Json.Serialization;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet;

/// <summary>How plans, reports and intents are written: in the store, on disk, and in the API.</summary>
public static class FleetJson
{
    public static readonly JsonSerializerOptions Options = new(JsonSerializerDefaults.Web)
    {
        NumberHandling = JsonNumberHandling.Strict,
        // What others wrote may lack what our records always have; such a value is none (Read gives null).
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Converters =
        {
            new PrefixConverter(), new AddressConverter(),
            new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false),
        },
    };

    public static byte[] Write<T>(T value) => JsonSerializer.SerializeToUtf8Bytes(value, Options);

    /// <summary>
    /// The value, or null when the bytes are none: what others wrote is never trusted to be well-formed.
    /// </summary>
    public static T? Read<T>(ReadOnlySpan<byte> bytes)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(bytes, Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private sealed class PrefixConverter : JsonConverter<Prefix>
    {
        public override Prefix Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            Prefix.TryParse(reader.GetString(), out Prefix prefix) ? prefix : throw new JsonException("not a prefix");

        public override void Write(Utf8JsonWriter writer, Prefix value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }

    private sealed class AddressConverter : JsonConverter<IPAddress>
    {
        // Else a null in a list would come through as one.
        public override bool HandleNull => true;

        public override IPAddress Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options) =>
            IPAddress.TryParse(reader.GetString(), out IPAddress? address)
                ? address
                : throw new JsonException("not an address");

        public override void Write(Utf8JsonWriter writer, IPAddress value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }
}
