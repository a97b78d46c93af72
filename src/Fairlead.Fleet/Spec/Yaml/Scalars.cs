using System.Globalization;
using System.Net;
using Fairlead.Net.Addresses;

namespace Fairlead.Fleet.Spec.Yaml;

/// <summary>The scalars that fleet files are made of.</summary>
internal static class Scalars
{
    public static readonly Scalar<string> Name = new(
        "a name of lower-case letters, digits and hyphens",
        (string text, out string value) => IsName(value = text),
        "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$");

    public static readonly Scalar<string> Text =
        new("text", (string text, out string value) => (value = text) is not null);

    public static readonly Scalar<bool> Switch = new(
        "true or false", (string text, out bool value) => bool.TryParse(text, out value), type: "boolean");

    public static readonly Scalar<Prefix> Prefix = new(
        "a prefix such as 192.0.2.0/24 or 2001:db8::/32, without host bits",
        (string text, out Prefix value) => Net.Addresses.Prefix.TryParse(text, out value) && text.Contains('/'));

    public static readonly Scalar<string> AddressText = new(
        "an IP address",
        (string text, out string value) =>
            Net.Addresses.Prefix.TryParse(value = text, out _) && !text.Contains('/'));

    public static readonly Scalar<IPAddress> Address = new(
        "an IP address",
        (string text, out IPAddress value) =>
        {
            bool read = Net.Addresses.Prefix.TryParse(text, out Prefix host) && !text.Contains('/');
            value = read ? host.Address : IPAddress.None;
            return read;
        });

    public static readonly Scalar<Asn> Asn = new(
        "an AS number", (string text, out Asn value) => Net.Addresses.Asn.TryParse(text, out value), type: "integer");

    public static readonly Scalar<HostPart> Host = new(
        "a host part such as ::53",
        (string text, out HostPart value) =>
        {
            bool read = text.StartsWith("::", StringComparison.Ordinal)
                & IPAddress.TryParse(text, out IPAddress? address) && !text.Contains('%');
            value = new HostPart(read ? Net.Addresses.Prefix.BitsOf(address!) : 0);
            return read && value.Value != 0;
        },
        "^::");

    public static readonly Scalar<TimeSpan> Duration = new(
        "a time such as 300ms, 5s, 2m or 1h", Durations.TryParse, "^[0-9]+(ms|s|m|h)$");

    public static readonly Scalar<PortSpec> Port = new(
        "a port such as tcp/443 or udp/53",
        (string text, out PortSpec value) =>
        {
            value = default;
            string[] parts = text.Split('/');
            if (parts.Length != 2 || parts[0] is not ("tcp" or "udp") || !TryNumber(parts[1], 1, 65535, out int port))
                return false;
            value = new PortSpec(parts[0] == "tcp" ? PortProtocol.Tcp : PortProtocol.Udp, port);
            return true;
        },
        "^(tcp|udp)/[0-9]+$");

    public static readonly Scalar<IPEndPoint> EndPoint = new(
        "an address and port such as 127.0.0.1:53 or [::1]:53",
        (string text, out IPEndPoint value) =>
            IPEndPoint.TryParse(text, out value!) && value.Port != 0
                && text.EndsWith($":{value.Port}", StringComparison.Ordinal));

    public static readonly Scalar<Uri> HttpUri = new(
        "an http:// or https:// address",
        (string text, out Uri value) =>
            Uri.TryCreate(text, UriKind.Absolute, out value!) && value.Scheme is "http" or "https");

    public static readonly Scalar<Quota> Quota = new(
        "a count such as 2, or a share such as 50%",
        (string text, out Quota value) =>
        {
            bool isShare = text.EndsWith('%');
            bool read = TryNumber(isShare ? text[..^1] : text, 1, isShare ? 100 : 10_000, out int number);
            value = isShare ? new Quota(0, number) : new Quota(number);
            return read;
        },
        "^[0-9]+%?$", "integer string");

    public static readonly Scalar<uint> Community = new(
        "a community such as 64500:100 (RFC 1997)",
        (string text, out uint value) =>
        {
            value = 0;
            string[] parts = text.Split(':');
            if (parts.Length != 2 || !TryNumber(parts[0], 0, ushort.MaxValue, out int high)
                || !TryNumber(parts[1], 0, ushort.MaxValue, out int low)) return false;
            value = ((uint)high << 16) | (uint)low;
            return true;
        },
        "^[0-9]+:[0-9]+$");

    public static readonly Scalar<string> HexKey = new(
        "32 hex digits",
        (string text, out string value) => (value = text).Length == 32 && text.All(char.IsAsciiHexDigit),
        "^[0-9A-Fa-f]{32}$", isSecret: true);

    /// <summary>What the kernel takes as a device's name.</summary>
    public static readonly Scalar<string> Device = new(
        "a network device such as eth0",
        (string text, out string value) =>
            (value = text).Length is > 0 and < 16 && text is not ("." or "..")
                && !text.Any(c => c is '/' or ':' || char.IsWhiteSpace(c)));

    public static Scalar<int> Number(int min, int max) => new(
        $"a number from {min} to {max}",
        (string text, out int value) => TryNumber(text, min, max, out value),
        type: "integer");

    public static Scalar<double> Degrees(int max) => new(
        $"degrees from -{max} to {max}",
        (string text, out double value) =>
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out value)
                && Math.Abs(value) <= max,
        type: "number");

    private static bool IsName(string text) =>
        text.Length <= 63 && text[0] != '-' && text[^1] != '-'
        && text.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');

    private static bool TryNumber(string text, int min, int max, out int value) =>
        int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out value)
        && value >= min && value <= max;
}
