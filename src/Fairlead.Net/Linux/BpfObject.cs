using System.Runtime.InteropServices;
using System.Text;

namespace Fairlead.Net.Linux;

/// <summary>A map, a program or a link of the kernel, held by its descriptor. With the last holder it goes.</summary>
public sealed unsafe class BpfObject(int fd) : IDisposable
{
    private int fd = fd;

    public int Fd => fd;

    /// <summary>The object pinned at this path; null: nothing is there.</summary>
    public static BpfObject? Pinned(string path)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            var attributes = new Libc.BpfAttributes { PathName = name };
            int found = Libc.Bpf(Libc.BPF_OBJ_GET, ref attributes);
            if (found >= 0) return new BpfObject(found);
            int error = Marshal.GetLastPInvokeError();
            return error == Libc.ENOENT ? null : throw new IOException($"bpf: {path}: errno {error}");
        }
    }

    /// <summary>Keeps the object alive under this path of a BPF file system.</summary>
    public void Pin(string path)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(path + '\0'))
        {
            var attributes = new Libc.BpfAttributes { PathName = name, PinnedFd = fd };
            _ = Check(Libc.Bpf(Libc.BPF_OBJ_PIN, ref attributes), $"cannot pin {path}");
        }
    }

    /// <summary>
    /// Attaches an XDP program to a device by a link, which goes with its last holder, so that nothing stays behind
    /// unless it is pinned. The link, or errno: EBUSY and EEXIST say that another program is there.
    /// </summary>
    public (BpfObject? Link, int Error) AttachXdp(uint device, uint flags)
    {
        var attributes = new Libc.BpfAttributes
        {
            LinkProgramFd = fd,
            LinkTarget = device,
            AttachType = Libc.BPF_XDP,
            LinkFlags = flags,
        };
        int link = Libc.Bpf(Libc.BPF_LINK_CREATE, ref attributes);
        return link >= 0 ? (new BpfObject(link), 0) : (null, Marshal.GetLastPInvokeError());
    }

    /// <summary>Has this link run another program from now on; no packet is without one in between.</summary>
    public void Exchange(BpfObject program)
    {
        var attributes = new Libc.BpfAttributes { LinkFd = fd, NewProgramFd = program.Fd };
        _ = Check(Libc.Bpf(Libc.BPF_LINK_UPDATE, ref attributes), "cannot exchange the program of a link");
    }

    public void Detach()
    {
        var attributes = new Libc.BpfAttributes { LinkFd = fd };
        _ = Check(Libc.Bpf(Libc.BPF_LINK_DETACH, ref attributes), "cannot detach a link");
    }

    /// <summary>The kernel's description: struct bpf_map_info, bpf_prog_info or bpf_link_info.</summary>
    public void Describe(Span<byte> into)
    {
        into.Clear();
        fixed (byte* at = into)
        {
            var attributes = new Libc.BpfAttributes { InfoFd = fd, InfoLength = (uint)into.Length, Info = at };
            _ = Check(Libc.Bpf(Libc.BPF_OBJ_GET_INFO_BY_FD, ref attributes), "no description of a BPF object");
        }
    }

    /// <summary>
    /// Runs the program on a packet, without a network (BPF_PROG_TEST_RUN). Gives its verdict and what the packet
    /// became; `context` is a struct xdp_md, or empty.
    /// </summary>
    public uint Run(
        ReadOnlySpan<byte> packet, Span<byte> after, out int length, int repeat = 1,
        ReadOnlySpan<byte> context = default)
    {
        var attributes = new Libc.BpfAttributes { RunFd = fd, Repeat = (uint)repeat };
        fixed (byte* data = packet, result = after, about = context)
        {
            attributes.DataIn = data;
            attributes.DataSizeIn = (uint)packet.Length;
            attributes.DataOut = result;
            attributes.DataSizeOut = (uint)after.Length;
            attributes.ContextIn = about;
            attributes.ContextSizeIn = (uint)context.Length;
            _ = Check(Libc.Bpf(Libc.BPF_PROG_TEST_RUN, ref attributes), "the program does not run");
        }

        length = (int)attributes.DataSizeOut;
        LastNanoseconds = attributes.Duration;
        return attributes.ReturnValue;
    }

    /// <summary>What one round of the last Run took, by the kernel's clock.</summary>
    public uint LastNanoseconds { get; private set; }

    /// <summary>Sets an entry of a map.</summary>
    public void Set(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        fixed (byte* at = key, from = value)
        {
            var attributes = new Libc.BpfAttributes { MapFd = fd, Key = at, Value = from };
            _ = Check(Libc.Bpf(Libc.BPF_MAP_UPDATE_ELEM, ref attributes), "a map's entry cannot be set");
        }
    }

    public void Dispose() => Libc.CloseOnce(ref fd);

    /// <summary>A result below 0 is the failure of the call before, in the operator's words.</summary>
    public static int Check(int result, string what)
    {
        if (result >= 0) return result;
        int error = Marshal.GetLastPInvokeError();
        string hint = error == Libc.EPERM ? " (needs root, or CAP_BPF and CAP_NET_ADMIN)" : "";
        throw new IOException($"bpf: {what}: errno {error}{hint}");
    }
}
