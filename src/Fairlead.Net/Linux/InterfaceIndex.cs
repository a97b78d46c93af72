using System.Net;
using System.Runtime.InteropServices;

namespace Fairlead.Net.Linux;

public static partial class Libc
{
    [LibraryImport("libc", EntryPoint = "if_nametoindex", StringMarshalling = StringMarshalling.Utf8)]
    public static partial uint IfNameToIndex(string name);

    [LibraryImport("libc", EntryPoint = "if_indextoname")]
    internal static unsafe partial byte* IfIndexToName(uint index, byte* name);
}

/// <summary>The number by which the kernel knows an interface: the scope of its link-local addresses.</summary>
public static class InterfaceIndex
{
    /// <summary>In the network namespace of the calling thread; 0: there is no such interface (yet).</summary>
    public static uint Of(string name) => Libc.IfNameToIndex(name);

    /// <summary>In the network namespace of the calling thread; one that is gone is called by its number.</summary>
    public static unsafe string NameOf(uint index)
    {
        const int NameBytes = 16; // IF_NAMESIZE
        byte* name = stackalloc byte[NameBytes];
        return Libc.IfIndexToName(index, name) == null ? $"{index}" : Marshal.PtrToStringUTF8((nint)name)!;
    }

    /// <summary>A link-local address with its interface's present number; any other one as it is.</summary>
    public static IPAddress Scoped(IPAddress address, string? name) => address.IsIPv6LinkLocal && name is not null
        ? new IPAddress(address.GetAddressBytes(), Of(name))
        : address;
}
