using System.Collections.Immutable;
using System.Net;
using Fairlead.Dns.Transfers;
using Fairlead.Dns.Wire;
using Fairlead.Net.Addresses;
using static Fairlead.Fleet.Spec.Yaml.Scalars;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>The part of the fleet file's declaration that is about zones on their way between servers.</summary>
internal static class TransferShapes
{
    private static readonly Scalar<DnsName> Domain = new(
        "a domain name such as example.com",
        (string text, out DnsName value) => DnsName.TryParse(text.TrimEnd('.') + ".", out value));

    private static readonly Scalar<string> KeyName = new(
        "a key's name, which is a domain name",
        (string text, out string value) => DnsName.TryParse((value = text).TrimEnd('.') + ".", out _));

    private static readonly ObjectOf<TsigKeySpec> Key = new("a key", f => new TsigKeySpec
    {
        Name = "",
        Algorithm = f.Required("algorithm", new OneOf<TsigAlgorithm>(
            ("hmac-sha256", TsigAlgorithm.HmacSha256), ("hmac-sha384", TsigAlgorithm.HmacSha384),
            ("hmac-sha512", TsigAlgorithm.HmacSha512), ("hmac-sha1", TsigAlgorithm.HmacSha1)),
            "how messages are signed; both servers say the same"),
        Secret = f.Optional<string?>("secret", Text!, null, "what both servers share, in base64"),
        SecretFile = f.Optional<string?>("secretFile", Text!, null,
            "a file with the base64, relative to this file and for its owner alone; instead of \"secret\""),
    });

    public static readonly MadeOf<ImmutableArray<KeyValuePair<string, TsigKeySpec>>, ImmutableArray<TsigKeySpec>> Keys =
        new(new MapOf<TsigKeySpec>(KeyName, Key),
            read => FleetShapes.Named(read, (name, key) => key with { Name = name }));

    public static readonly ListOf<TransferSpec> Transfers = new(new ObjectOf<TransferSpec>(
        "a rule of who may take zones", f => new TransferSpec
        {
            Zone = f.Optional<DnsName?>("zone", Domain!, null, "the zone; default: every zone"),
            From = f.Optional("from", new ListOf<Prefix>(Scalars.Prefix), [], "from where; default: from anywhere"),
            Keys = f.Optional("keys", new ListOf<DnsName>(Domain), [],
                "signed with one of these keys; default: unsigned too"),
        }));

    public static readonly ListOf<NotifySpec> Notify = new(new ObjectOf<NotifySpec>(
        "one to tell of new versions", f => new NotifySpec
        {
            Zone = f.Optional<DnsName?>("zone", Domain!, null, "the zone; default: every zone that may be taken"),
            To = f.Required("to", Scalars.EndPoint, "the server's address and port"),
            Key = f.Optional<DnsName?>("key", Domain!, null, "the key to sign with; default: unsigned"),
            Source = f.Optional<IPAddress?>("source", Address!, null, "the address to send from"),
        }));

    public static readonly ListOf<PrimarySpec> Primaries = new(new ObjectOf<PrimarySpec>(
        "a primary", f => new PrimarySpec
        {
            Address = f.Required("address", Scalars.EndPoint, "the primary's address and port"),
            Key = f.Optional<DnsName?>("key", Domain!, null, "the key that all is signed with; default: unsigned"),
            Source = f.Optional<IPAddress?>("source", Address!, null, "the address to ask from"),
        }));
}
