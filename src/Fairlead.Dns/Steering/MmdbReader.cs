using System.Buffers.Binary;
using System.Text;
using Fairlead.Net.Addresses;

namespace Fairlead.Dns.Steering;

/// <summary>What we take from a record or from the metadata; the rest is only checked.</summary>
internal struct MmdbFields
{
    public string? Continent;
    public string? Country;
    public string? Subdivision;
    public string? City;
    public ulong Asn;
    public double? Latitude;
    public double? Longitude;
    public string? DatabaseType;
    public ulong NodeCount;
    public ulong RecordSize;
    public ulong IpVersion;
    public ulong FormatMajor;
    public ulong BuildEpoch;

    /// <summary>A database of countries says nothing of coordinates: then the country's middle must do.</summary>
    public readonly Place? ToPlace()
    {
        if (Country is null && Continent is null && Latitude is null && Asn == 0) return null;
        (string? continent, double? latitude, double? longitude) = (Continent, Latitude, Longitude);
        if (Country is not null && CountryCentroids.TryFind(Country, out CountryCentroid centroid))
        {
            continent ??= centroid.Continent;
            if (latitude is null || longitude is null) (latitude, longitude) = (centroid.Latitude, centroid.Longitude);
        }

        return new Place(continent, Country, latitude, longitude)
        {
            Subdivision = Subdivision,
            City = City,
            Asn = Asn is > 0 and <= uint.MaxValue ? new Asn((uint)Asn) : null,
        };
    }
}

/// <summary>
/// The data section of a MaxMind DB. Each value has a control byte: the type in its upper three bits (0: the type is
/// the next byte + 7), the size in the lower five (29, 30, 31: one, two or three bytes of size follow).
/// </summary>
internal ref struct MmdbReader(ReadOnlySpan<byte> data)
{
    private const int DepthMax = 16;

    /// <summary>
    /// Records hold some hundred values. Pointers could make a small file spell out more than any machine holds.
    /// </summary>
    private const int ValuesMax = 4096;

    private readonly ReadOnlySpan<byte> data = data;
    private int values;

    private enum Kind
    {
        Extended = 0,
        Pointer = 1,
        Text = 2,
        Double = 3,
        Bytes = 4,
        U16 = 5,
        U32 = 6,
        Map = 7,
        I32 = 8,
        U64 = 9,
        U128 = 10,
        Array = 11,
        Boolean = 14,
        Float = 15,
    }

    /// <summary>
    /// Reads the record at the offset. False: it is damaged. One that is no map is whole, and has nothing for us.
    /// </summary>
    public bool TryReadFields(ulong offset, ref MmdbFields fields)
    {
        if (offset >= (ulong)data.Length) return false;
        int at = (int)offset;
        return TryRead(ref at, "", 0, ref fields, out _);
    }

    // Reads the value at `at` and moves behind it; the path says where in the record it stands.
    private bool TryRead(ref int at, string path, int depth, ref MmdbFields fields, out Kind kind)
    {
        if (++values > ValuesMax || depth > DepthMax || !TryControl(ref at, out kind, out int size))
        {
            kind = Kind.Extended;
            return false;
        }

        if (kind == Kind.Pointer)
        {
            // The format forbids a pointer to a pointer, so following one is one step. What it points to stands as
            // deep as it does: databases share whole maps such as "country" in this way.
            int target = size;
            if ((uint)target >= (uint)data.Length || data[target] >> 5 == (int)Kind.Pointer) return false;
            return TryRead(ref target, path, depth, ref fields, out kind);
        }

        if (kind == Kind.Map) return TryReadMap(ref at, size, path, depth, ref fields);
        if (kind == Kind.Array)
        {
            for (int i = 0; i < size; i++)
            {
                // A place's largest subdivision comes first.
                string inner = path == "subdivisions" && i == 0 ? path : "[]";
                if (!TryRead(ref at, inner, depth + 1, ref fields, out _)) return false;
            }

            return true;
        }

        if (!IsSizeRight(kind, size)) return false;
        if (kind == Kind.Boolean) return true; // Its size is its value.
        if (size > data.Length - at) return false;
        Take(path, kind, data.Slice(at, size), ref fields);
        at += size;
        return true;
    }

    private bool TryReadMap(ref int at, int pairs, string path, int depth, ref MmdbFields fields)
    {
        for (int i = 0; i < pairs; i++)
        {
            if (!TryKey(ref at, out string key)) return false;
            // Little that we want lies deeper than two levels: there the path needs no text.
            bool known = depth == 1 || (depth == 2 && path is "subdivisions" or "city.names");
            string inner = depth == 0 ? key : known ? $"{path}.{key}" : "[]";
            if (!TryRead(ref at, inner, depth + 1, ref fields, out _)) return false;
        }

        return true;
    }

    private bool TryKey(ref int at, out string key)
    {
        key = "";
        if (++values > ValuesMax || !TryControl(ref at, out Kind kind, out int size)) return false;
        int text = at;
        bool isPointer = kind == Kind.Pointer;
        if (isPointer)
        {
            text = size;
            if (!TryControl(ref text, out kind, out size)) return false;
        }

        if (kind != Kind.Text || size > data.Length - text) return false;
        key = Encoding.UTF8.GetString(data.Slice(text, size));
        if (!isPointer) at = text + size;
        return true;
    }

    // For a pointer, size is where it points to.
    private readonly bool TryControl(ref int at, out Kind kind, out int size)
    {
        (kind, size) = (Kind.Extended, 0);
        if ((uint)at >= (uint)data.Length) return false;
        byte control = data[at++];
        kind = (Kind)(control >> 5);
        size = control & 0x1f;
        if (kind == Kind.Pointer) return TryPointer(ref at, size, out size);
        if (kind == Kind.Extended)
        {
            if (at >= data.Length) return false;
            kind = (Kind)(data[at++] + 7);
            if (kind is not ((>= Kind.I32 and <= Kind.Array) or Kind.Boolean or Kind.Float)) return false;
        }

        if (size < 29) return true;
        int more = size - 28;
        if (more > data.Length - at) return false;
        size = more switch
        {
            1 => 29 + data[at],
            2 => 285 + BinaryPrimitives.ReadUInt16BigEndian(data[at..]),
            _ => 65821 + ((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]),
        };
        at += more;
        return true;
    }

    // 001SSVVV: SS + 1 bytes follow; with VVV in front they are the offset, each size beginning where the last ended.
    private readonly bool TryPointer(ref int at, int bits, out int target)
    {
        int bytes = (bits >> 3) + 1;
        target = 0;
        if (bytes > data.Length - at) return false;
        long value = bytes == 4 ? 0 : bits & 7;
        for (int i = 0; i < bytes; i++) value = (value << 8) | data[at++];
        value += bytes switch { 2 => 2048, 3 => 526336, _ => 0 };
        target = value <= int.MaxValue ? (int)value : int.MaxValue;
        return true;
    }

    private static bool IsSizeRight(Kind kind, int size) => kind switch
    {
        Kind.Double => size == 8,
        Kind.Float => size == 4,
        Kind.U16 => size <= 2,
        Kind.U32 or Kind.I32 => size <= 4,
        Kind.U64 => size <= 8,
        Kind.U128 => size <= 16,
        Kind.Boolean => size <= 1,
        Kind.Text or Kind.Bytes => true,
        _ => false,
    };

    private static void Take(string path, Kind kind, ReadOnlySpan<byte> value, ref MmdbFields fields)
    {
        if (kind == Kind.Text)
        {
            switch (path)
            {
                case "continent.code" or "continent_code": fields.Continent = Code(value); break;
                case "country.iso_code" or "country_code" or "country": fields.Country = Code(value); break;
                case "subdivisions.iso_code": fields.Subdivision = Part(value); break;
                case "city.names.en" or "city": fields.City = Encoding.UTF8.GetString(value); break;
                case "asn" when value.StartsWith("AS"u8): fields.Asn = Digits(value[2..]); break;
                case "database_type": fields.DatabaseType = Encoding.UTF8.GetString(value); break;
                default: break;
            }
        }
        else if (kind is Kind.Double or Kind.Float)
        {
            double number = kind == Kind.Double
                ? BinaryPrimitives.ReadDoubleBigEndian(value)
                : BinaryPrimitives.ReadSingleBigEndian(value);
            if (path is "location.latitude" or "latitude" && Math.Abs(number) <= 90) fields.Latitude = number;
            if (path is "location.longitude" or "longitude" && Math.Abs(number) <= 180) fields.Longitude = number;
        }
        else if (kind is Kind.U16 or Kind.U32 or Kind.U64)
        {
            ulong number = 0;
            foreach (byte one in value) number = (number << 8) | one;
            switch (path)
            {
                case "autonomous_system_number" or "traits.autonomous_system_number" or "asn":
                    fields.Asn = number;
                    break;
                case "node_count": fields.NodeCount = Math.Min(number, int.MaxValue); break;
                case "record_size": fields.RecordSize = Math.Min(number, 255); break;
                case "ip_version": fields.IpVersion = number; break;
                case "binary_format_major_version": fields.FormatMajor = number; break;
                case "build_epoch": fields.BuildEpoch = number; break;
                default: break;
            }
        }
    }

    // Two letters, else the record does not say: "ZZ" and "" stand for nowhere in some databases.
    private static string? Code(ReadOnlySpan<byte> value)
    {
        bool letters = value.Length == 2 && char.IsAsciiLetter((char)value[0]) && char.IsAsciiLetter((char)value[1]);
        if (!letters) return null;
        string code = Encoding.ASCII.GetString(value).ToUpperInvariant();
        return code == "ZZ" ? null : code;
    }

    // The part of ISO 3166-2 behind the hyphen: up to three letters or digits.
    private static string? Part(ReadOnlySpan<byte> value)
    {
        if (value.Length is < 1 or > 3) return null;
        foreach (byte one in value)
        {
            if (!char.IsAsciiLetterOrDigit((char)one)) return null;
        }

        return Encoding.ASCII.GetString(value).ToUpperInvariant();
    }

    private static ulong Digits(ReadOnlySpan<byte> value) =>
        ulong.TryParse(value, System.Globalization.CultureInfo.InvariantCulture, out ulong number) ? number : 0;
}
